"""`roundbatch submit`: sends comparisons, as CJ posts them today, to Kafka as records of rounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import kafka
from cli.kafka import BootstrapServers, settings_at
from cli.tables import print_whole
from cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.round_records import RejectedLine, RoundRecord
    from settings.settings import Settings


def submit(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSONL, a request body a line; - is stdin.")],
    bootstrap_servers: BootstrapServers = None,
    topic: Annotated[str | None, typer.Option(help="The worker's request topic, in place of ROUNDBATCH_REQUEST_TOPIC.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Send request bodies from a file, gathered by round into records below 1 MiB.

    All or nothing: if one line cannot be read, nothing is sent (exit 1), for the rest of its round would pass
    as a whole round. Sending the repaired file again, or the same one twice, is safe: the worker answers a
    correlation id once.
    """
    import datetime as dt
    import sys

    from aiokafka.errors import KafkaError

    from cli import round_records

    settings = settings_at(bootstrap_servers)
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        typer.echo(f"cannot read {file}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
    # Cut only at newlines: str.splitlines would cut at U+2028, which JSON allows inside a string.
    bodies, rejected = round_records.read_lines(content.split(b"\n"))
    records = [] if rejected else round_records.records(bodies, dt.datetime.now(dt.UTC))
    failures: list[str] = []
    sent: list[RoundRecord] = []
    refused: list[str] = []  # nothing was sent at all
    if records:
        try:
            sent, failures = kafka.run(settings, lambda: _send(records, settings, topic or settings.request_topic))
        except (LookupError, KafkaError) as error:
            refused = [str(error.args[0]) if error.args else repr(error)]
    _report(sent, rejected, [*refused, *failures], as_json=as_json)
    if failures:
        typer.echo("submit the same file again: what has arrived is not answered twice", err=True)
    failures += refused
    if rejected or failures:
        raise typer.Exit(1)


async def _send(records: Sequence[RoundRecord], settings: Settings, topic: str) -> tuple[list[RoundRecord], list[str]]:
    """Send all records and wait for each acknowledgement; returns those acknowledged, and a line for each other."""
    from cli.sending import send_each

    ends = await send_each(settings, topic, [(one.key, one.value) for one in records], client_id="roundbatch-submit")
    sent = [record for record, end in zip(records, ends, strict=True) if end is None]
    failures = [
        f"part {record.part} of {record.parts} of {record.key.decode()} was not acknowledged: {end!r}"
        for record, end in zip(records, ends, strict=True)
        if end is not None
    ]
    return sent, failures


def _report(sent: Sequence[RoundRecord], rejected: Sequence[RejectedLine], failures: Sequence[str], *, as_json: bool) -> None:
    import json

    comparisons = sum(record.comparisons for record in sent)
    rounds = sum(record.part == 1 for record in sent)
    if as_json:
        found = [{"line": line.line, "reason": line.reason} for line in rejected]
        counts = {"comparisons": comparisons, "rounds": rounds, "records": len(sent)}
        typer.echo(json.dumps({**counts, "rejected_lines": found, "failures": list(failures)}))
    elif sent:
        _print_table(sent, comparisons, rounds)
    for line in rejected:
        typer.echo(f"line {line.line}: {line.reason}", err=True)
    if rejected:
        typer.echo("nothing was sent: repair or remove these lines and submit again", err=True)
    for failure in failures:
        typer.echo(failure, err=True)


def _print_table(sent: Sequence[RoundRecord], comparisons: int, rounds: int) -> None:
    from rich.table import Table

    title = f"{counted(comparisons, 'comparison')} in {counted(rounds, 'round')} sent"
    table = Table("key", "part", "comparisons", "bytes", title=title)
    for record in sent:
        part = f"{record.part} of {record.parts}"
        table.add_row(record.key.decode(), part, str(record.comparisons), f"{len(record.value):,}")
    print_whole(table)
