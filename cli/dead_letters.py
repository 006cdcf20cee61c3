"""`roundbatch dead-letters`: lists what could not be worked on, and sends chosen letters again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import kafka
from cli.confirming import confirm
from cli.kafka import BootstrapServers, settings_at
from cli.tables import print_whole
from cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.letters import Again, Letter
    from settings.settings import Settings

CLIENT_ID = "roundbatch-dead-letters"


def dead_letters(
    places: Annotated[
        list[str] | None, typer.Argument(metavar="PARTITION:OFFSET…", help="These letters; without any, all of them.")
    ] = None,
    reason: Annotated[list[str] | None, typer.Option(help="Only those with this reason; may be given more than once.")] = None,
    unanswered: Annotated[bool, typer.Option("--unanswered", help="Only those whose producer has been told nothing.")] = False,
    work: Annotated[bool, typer.Option("--work", help="Letters of the work topic; they cannot be sent again.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Send what is chosen to the request topic again.")] = False,
    new_id: Annotated[bool, typer.Option("--new-id", help="With --replay: under new ids, which are printed.")] = False,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Print the comparisons with essays, as `submit` takes them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --replay: do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; no essays are in it.")] = False,
    bootstrap_servers: BootstrapServers = None,
) -> None:
    """List dead letters: reason, whether the producer was answered, where they came from, their rounds.

    --replay asks first, and sends again what PARTITION:OFFSET, --reason or --unanswered choose. A comparison that would be
    asked in vain is left out and named: one that has its event by now, and, without --new-id, one that was answered by an
    error event or whose id belongs to other content. Exit 1 where a chosen letter was not sent.
    """
    if replay and (work or bodies):
        raise typer.BadParameter("--replay goes neither with --work nor with --bodies")
    if replay and not (places or reason or unanswered):
        raise typer.BadParameter("--replay needs a choice: name letters as PARTITION:OFFSET, or give --reason or --unanswered")
    if replay and as_json and not yes:
        raise typer.BadParameter("--json asks nothing: give --yes too")
    if new_id and not replay:
        raise typer.BadParameter("--new-id goes with --replay")
    settings = settings_at(bootstrap_servers)
    found = _found(settings, settings.dlq_topic(settings.work_topic if work else settings.request_topic))
    chosen = _chosen(found, places or [], reason or [], unanswered)
    if bodies:
        _print_bodies(chosen)
    elif replay:
        _replay(chosen, settings, new_id=new_id, yes=yes, as_json=as_json)
    else:
        _list(chosen, as_json=as_json)


def _found(settings: Settings, topic: str) -> list[Letter]:
    """Every letter of the topic, the oldest first; none where there is no such topic."""
    from aiokafka.errors import KafkaError

    from cli import topic_scan
    from cli.letters import Letter
    from streams.kafka import rights

    async def read() -> list[Letter]:
        known = await rights.partitions(settings, {topic: rights.READ})
        letters = []
        async for record in topic_scan.scan(settings, topic, range(known.get(topic, 0))):
            headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
            place = (topic, record.partition, record.offset, record.timestamp)
            letters.append(Letter(*place, record.key, record.value or b"", headers))
        return sorted(letters, key=lambda letter: (letter.at_ms, letter.partition, letter.offset))

    try:
        return kafka.run(settings, read)
    except KafkaError as error:
        typer.echo(f"{topic} cannot be read: {error}", err=True)
        raise typer.Exit(1) from error


def _chosen(found: Sequence[Letter], places: Sequence[str], reasons: Sequence[str], unanswered: bool) -> list[Letter]:
    there = {letter.place for letter in found}
    absent = [place for place in places if place not in there]
    if absent:
        typer.echo(f"no dead letter at {', '.join(absent)}: `roundbatch dead-letters` lists their places", err=True)
        raise typer.Exit(1)
    return [
        letter
        for letter in found
        if (not places or letter.place in places)
        and (not reasons or letter.reason in reasons)
        and not (unanswered and letter.answered)
    ]


def _list(letters: Sequence[Letter], *, as_json: bool) -> None:
    import datetime as dt
    import json

    from rich.table import Table
    from rich.text import Text

    if as_json:
        typer.echo(json.dumps({"dead_letters": [letter.described() for letter in letters]}))
        return
    table = Table(title=counted(len(letters), "dead letter"))
    for name in ("place, time", "reason", "answered", "from", "rounds"):
        table.add_column(name, overflow="fold")
    for letter in letters:
        at = dt.datetime.fromtimestamp(letter.at_ms / 1000, dt.UTC)
        cells = (
            f"{letter.place}\n{at:%m-%d %H:%M}Z",
            f"{letter.reason}\n{letter.headers.get('error', '')}",
            "yes" if letter.answered else "no",
            letter.came_from,
            "\n".join(letter.rounds()) or "–",
        )
        # Text, not str: an error in square brackets would be taken for markup and vanish.
        table.add_row(*(Text(cell) for cell in cells))
    print_whole(table)


def _print_bodies(letters: Sequence[Letter]) -> None:
    import json

    for letter in letters:
        for body in letter.comparisons():
            typer.echo(json.dumps(body))


def _replay(chosen: Sequence[Letter], settings: Settings, *, new_id: bool, yes: bool, as_json: bool) -> None:
    import json

    from aiokafka.errors import KafkaError

    from cli.letters import NotSendable, records

    try:
        answered = kafka.run(settings, lambda: _answered(chosen, settings)) if chosen else frozenset()
    except KafkaError as error:
        typer.echo(f"what has been answered cannot be read: {error}; nothing was sent", err=True)
        raise typer.Exit(1) from error
    outgoing: list[Again] = []
    left_out: list[str] = []
    for letter in chosen:
        try:
            again = records(letter, new_id=new_id, answered=answered)
        except NotSendable as refusal:
            left_out.append(f"{letter.place}: {refusal}")
            continue
        outgoing += again
        if not again:
            left_out.append(f"{letter.place}: every comparison of it has its event by now")
    for said in left_out:
        typer.echo(f"left out: {said}", err=True)
    comparisons = sum(len(one.ids) for one in outgoing)
    if outgoing and not yes:
        confirm(f"Send {counted(comparisons, 'comparison')} to {settings.request_topic} again?")
    failures = _send(outgoing, settings) if outgoing else []
    sent = [one for one, failure in zip(outgoing, failures, strict=True) if failure is None]
    ids = [pair for one in sent for pair in one.ids]
    if as_json:
        told = [{"correlation_id": before, "sent_as": after} for before, after in ids]
        typer.echo(json.dumps({"sent": told, "left_out": left_out, "failures": [one for one in failures if one is not None]}))
    else:
        for before, after in ids if new_id else ():
            typer.echo(f"{before} → {after}")
        typer.echo(f"{counted(len(ids), 'comparison')} sent to {settings.request_topic}")
    for failure in failures:
        if failure is not None:
            typer.echo(f"not acknowledged: {failure}; the same command again asks for nothing twice", err=True)
    if left_out or len(sent) < len(outgoing):
        raise typer.Exit(1)


async def _answered(chosen: Sequence[Letter], settings: Settings) -> frozenset[str]:
    """The correlation ids of all events since the oldest of these letters, on every allowed callback topic."""
    from cli import topic_scan
    from streams.kafka import rights

    since_ms = min(letter.at_ms for letter in chosen) - topic_scan.CLOCKS_APART_MS
    known = await rights.partitions(settings, dict.fromkeys(settings.allowed_callback_topics, rights.READ))
    ids = set()
    for topic in settings.allowed_callback_topics:
        async for record in topic_scan.scan(settings, topic, range(known.get(topic, 0)), since_ms=since_ms):
            ids |= {(value or b"").decode(errors="replace") for name, value in record.headers if name == "trace_id"}
    return frozenset(ids)


def _send(outgoing: Sequence[Again], settings: Settings) -> list[str | None]:
    from aiokafka.errors import KafkaError

    from cli.sending import send_each

    pairs = [(one.key, one.value) for one in outgoing]
    try:
        ends = kafka.run(settings, lambda: send_each(settings, settings.request_topic, pairs, client_id=CLIENT_ID))
    except (LookupError, KafkaError) as error:
        typer.echo(f"nothing was sent: {error.args[0] if error.args else error!r}", err=True)
        raise typer.Exit(1) from error
    return [None if end is None else repr(end) for end in ends]
