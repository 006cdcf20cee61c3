"""`roundbatch quality` without a batch: what the audits show of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cli import kafka
from cli.kafka import settings_at
from cli.since import since_ms
from cli.tables import print_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cli.quality.judges_report import JudgesReport, ModelReport
    from domain.judgement import Group


def tell_judges(since: str | None, bootstrap_servers: str | None, html: Path | None, *, as_json: bool) -> int:
    """Read the audits, and print or write what they show; returns the exit code."""
    import json
    import time

    from aiokafka.errors import KafkaError

    from agents.planning.rules import judgement_rules
    from cli.quality.judges_report import exit_code, report
    from cli.quality.judges_topics import read_audits
    from cli.quality.shown import shown
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
    if as_json:
        typer.echo(json.dumps({"finding": told.finding, **shown(told)}))
    else:
        _print(told, html)
    return exit_code(told)


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
