"""`roundbatch explain`: what would become of a file of requests, or what has become of one comparison."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import kafka
from cli.since import since_ms
from cli.tables import print_whole
from cli.words import counted

if TYPE_CHECKING:
    import datetime as dt
    import uuid

_NOT_ASKED_SHOWN = 10


def explain(
    target: Annotated[str, typer.Argument(metavar="FILE|-|ID", help="JSONL as `submit` takes it, or a correlation id.")],
    since: Annotated[str | None, typer.Option(metavar="TIME", help="With ID: pass over what is older (ISO 8601).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what would become of a file of requests, or what has become of one comparison.

    FILE: how each round would be sent and why, what closes its window, lines, calls or batch jobs, tokens (by bytes) and cost,
    by the settings of this environment; nothing is sent. ID: its life so far, record by record, from the request, work and
    callback topics. Exit 1 for an id that is in none of them.
    """
    import uuid

    if Path(target).exists() or target == "-":
        _explain_file(target, as_json=as_json)
        return
    try:
        correlation_id = uuid.UUID(target)
    except ValueError:
        typer.echo(f"{target} is no file and no correlation id (a UUID)", err=True)
        raise typer.Exit(1) from None
    _explain_id(correlation_id, since_ms(since), as_json=as_json)


def _explain_file(file: str, *, as_json: bool) -> None:
    import datetime as dt
    import json
    import sys

    from cli import round_records
    from cli.config import settings_or_exit
    from cli.explain import forecast

    settings, missing = forecast.with_keys(settings_or_exit())
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        typer.echo(f"cannot read {file}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
    bodies, rejected = round_records.read_lines(content.split(b"\n"))
    now = dt.datetime.now(dt.UTC)
    found = forecast.forecast(round_records.records(bodies, now), settings, round(now.timestamp() * 1000))
    if as_json:
        shown = {
            "rounds": [dataclasses.asdict(one) for one in found.predictions],
            "not_asked": [{"correlation_id": name, "why": why} for name, why in found.not_asked],
            "rejected_lines": [{"line": line.line, "reason": line.reason} for line in rejected],
            "providers_without_key": missing,
        }
        typer.echo(json.dumps(shown))
    else:
        _print_forecast(found.predictions)
        for name, why in found.not_asked[:_NOT_ASKED_SHOWN]:
            typer.echo(f"not asked: {name}: {why}", err=True)
        if len(found.not_asked) > _NOT_ASKED_SHOWN:
            typer.echo(f"not asked: {len(found.not_asked) - _NOT_ASKED_SHOWN} more; --json has all", err=True)
        for name in sorted({one.provider for one in found.predictions}.intersection(missing)):
            typer.echo(f"{name} has no key here; without one in the worker its requests end in CONFIGURATION_ERROR", err=True)
    for line in rejected:
        typer.echo(f"line {line.line}: {line.reason}; `submit` would send nothing", err=True)
    if rejected:
        raise typer.Exit(1)


def _print_forecast(predictions: list[Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    total, single = (_total([getattr(one, name) for one in predictions]) for name in ("cost_usd", "single_cost_usd"))
    comparisons = sum(one.comparisons for one in predictions)
    table = Table(
        title=f"{counted(comparisons, 'comparison')}: about {_usd(total)}; as single calls {_usd(single)}", show_lines=True
    )
    for name in ("window", "strategy, why, until when", "sent as", "about"):
        table.add_column(name, overflow="fold")
    for one in predictions:
        sizes = ", ".join(
            counted(lines, "line") + (f" of {size}" if size > 1 else "") for size, lines in one.line_sizes.items()
        )
        jobs = counted(one.batch_jobs, "batch job") if one.batch_jobs else counted(one.calls, "call")
        rounds = "" if len(one.rounds) == 1 else f"\n{len(one.rounds)} rounds"
        cells = (
            f"{one.window}{rounds}\n{counted(one.comparisons, 'comparison')}",
            "\n".join((one.strategy, *(f"by {why}" for why in one.why), one.closes)),
            f"{jobs}, {sizes}\n{one.provider} {one.model}",
            f"{_usd(one.cost_usd)} (single: {_usd(one.single_cost_usd)})\n"
            f"{one.input_tokens:,} tokens in, {one.output_tokens:,} out"
            + (f"\nand {counted(one.audits, 'audit')}, {_usd(one.audits_cost_usd)}" if one.audits else ""),
        )
        # Text, not str: a batch's name in square brackets would be taken for markup and vanish.
        table.add_row(*(Text(cell) for cell in cells))
    print_whole(table)


def _total(costs: list[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _usd(cost: float | None) -> str:
    return "no price" if cost is None else f"${cost:.4f}"


def _explain_id(correlation_id: uuid.UUID, since_ms: int | None, *, as_json: bool) -> None:
    import datetime as dt
    import json

    from aiokafka.errors import KafkaError

    from cli.config import settings_or_exit
    from cli.explain.life_topics import read_life
    from streams.kafka.unreadable import Unreadable
    from streams.wire.work import NewerRecord

    settings = settings_or_exit()
    try:
        life = kafka.run(settings, lambda: read_life(correlation_id, settings, since_ms))
    except LookupError as error:
        typer.echo(str(error.args[0]), err=True)
        raise typer.Exit(1) from error
    except (NewerRecord, Unreadable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KafkaError as error:
        typer.echo(f"Kafka at {settings.kafka_bootstrap_servers} cannot be reached: {error}", err=True)
        raise typer.Exit(1) from error
    steps = life.steps
    if as_json:
        shown = [{**dataclasses.asdict(step), "at": _shown(step.at_ms, dt.UTC)} for step in steps]
        typer.echo(json.dumps({"correlation_id": str(correlation_id), "standing": life.standing, "steps": shown}))
    elif steps:
        _print_life(correlation_id, life)
    if not steps:
        typer.echo(f"no record of {correlation_id} in {settings.request_topic} and the callback topics", err=True)
        raise typer.Exit(1)


def _shown(at_ms: int, zone: dt.tzinfo) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="milliseconds")


def _print_life(correlation_id: uuid.UUID, life: Any) -> None:
    import datetime as dt

    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{correlation_id}: {life.standing}")
    for name in ("at (UTC)", "what", "how", "record"):
        table.add_column(name, overflow="fold")
    for step in life.steps:
        at = dt.datetime.fromtimestamp(step.at_ms / 1000, dt.UTC)
        where = f"{step.topic} {step.partition}@{step.offset}"
        cells = (f"{at:%m-%d %H:%M:%S}.{at.microsecond // 1000:03}", step.what, step.said, where)
        table.add_row(*(Text(cell) for cell in cells))
    print_whole(table)
