"""`roundbatch quality` without a batch: what the audits show of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cli import kafka
from cli.kafka import settings_at
from cli.since import since_ms
from cli.tables import print_whole
from cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cli.quality.judges_report import JudgesReport, ModelReport
    from domain.judgement import Group
    from settings.settings import Settings
    from streams.wire.work import BundlesLimited


def tell_judges(
    since: str | None, bootstrap_servers: str | None, html: Path | None, on_alarm: str | None, *, as_json: bool
) -> int:
    """Read the audits, print or write what they show, and limit bundles where that is wanted; returns the exit code."""
    import json
    import time

    from aiokafka.errors import KafkaError
    from msgspec import to_builtins

    from agents.planning.rules import judgement_rules
    from cli.quality.judges_report import exit_code, report
    from cli.quality.judges_topics import read_audits
    from cli.quality.shown import shown
    from cli.telling import tell_every_partition
    from streams.kafka.unreadable import Unreadable
    from streams.wire.work import NewerRecord
    from tables.faults import StoreFault

    begin, settings = since_ms(since), settings_at(bootstrap_servers)
    try:
        audits = kafka.run(settings, lambda: read_audits(settings))
    except LookupError as error:
        typer.echo(str(error.args[0]), err=True)
        raise typer.Exit(1) from error
    except (StoreFault, Unreadable, NewerRecord) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KafkaError as error:
        typer.echo(f"Kafka at {settings.kafka_bootstrap_servers} cannot be reached: {error}", err=True)
        raise typer.Exit(1) from error
    told = report(audits, judgement_rules(settings), now_ms=round(time.time() * 1000), since_ms=begin)
    if html is not None:
        from cli.quality.judges_page import page

        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(told))
    limited = _limited(told, settings, on_alarm) if on_alarm is not None else []
    if limited:
        tell_every_partition(settings, settings.work_topic, limited, client_id="roundbatch-quality")
    if as_json:
        more = {} if on_alarm is None else {"limited": to_builtins(limited)}
        typer.echo(json.dumps({"finding": told.finding, **shown(told), **more}))
    else:
        _print(told, html)
        for one in limited:
            typer.echo(f"- {one.provider} {one.model}: at most {counted(one.most, 'comparison')} in a line from now on.")
    return exit_code(told)


def _limited(told: JudgesReport, settings: Settings, on_alarm: str) -> list[BundlesLimited]:
    """What a worker that held all partitions would say by its ON_ALARM.

    A limit is read back with the audits, and evidence counts from the day after it, so a second run does nothing.
    """
    from agents.planning.rules import audited_size
    from domain.judgement import step_down
    from streams.wire.work import BundlesLimited

    found = []
    for model in told.models:
        size = audited_size(settings, model.provider, {group.name for group in model.by["mode"]}, model.limit)
        if step := step_down(model.alarms.values(), size, on_alarm):
            found.append(BundlesLimited(provider=model.provider, model=model.model, most=step.most, reason=step.reason))
    return found


def _print(told: JudgesReport, html: Path | None) -> None:
    from cli.quality.judges_report import sentences

    if told.models:
        _print_table(f"judges, by audits since {told.first_day}", ((model, model.shown, model.words) for model in told.models))
        for model in told.models:
            parts = [one for by in ("bundle", "layout", "third", "suspect") for one in model.by[by]]
            _print_table(
                f"{model.provider} {model.model}, by bundle class, layout, slot and suspects",
                ((model, one, one.words()) for one in parts),
                named=False,
            )
    for sentence in sentences(told):
        typer.echo(f"- {sentence}")
    if html is not None:
        typer.echo(f"written: {html}")


def _print_table(title: str, rows: Iterable[tuple[ModelReport, Group, str]], *, named: bool = True) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.quality.judges_report import MEASURES
    from cli.quality.plots import points

    table = Table(title=title)
    head = ("model", "audits of", "audits", *MEASURES, "retest", "flips", "finding")
    for name in head if named else head[1:]:
        table.add_column(name, overflow="fold", justify="right" if name == "audits" else "left")
    for model, group, words in rows:
        measures = [group.measures.get(name) for name in MEASURES]
        cells = (
            f"{model.provider} {model.model}",
            group.name,
            str(group.audits),
            *("–" if one is None else points(one.interval) for one in measures),
            points(group.retest, signed=False),
            points(group.flips, signed=False),
            words,
        )
        table.add_row(*(Text(cell) for cell in (cells if named else cells[1:])))
    print_whole(table)
