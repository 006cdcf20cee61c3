"""`roundbatch cancel`: ends comparisons that nobody wants any more by error events, and cancels their batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.confirming import confirm
from cli.kafka import BootstrapServers, settings_at
from cli.telling import WorkTopic, tell_every_partition
from cli.words import counted

if TYPE_CHECKING:
    from streams.wire.work import CancelRequested


def cancel(
    targets: Annotated[list[str], typer.Argument(metavar="BATCH|ID…", help="cj_batch_id, or correlation id (a UUID).")],
    bootstrap_servers: BootstrapServers = None,
    work_topic: WorkTopic = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; needs --yes.")] = False,
) -> None:
    """End what is pending of these batches and ids by SERVICE_UNAVAILABLE events, for good.

    CJ takes such an event as final and does not ask again. A batch job of which no comparison is wanted any more is
    cancelled at the provider; what it has answered until then is paid. What is requested later is worked on as usual.
    """
    import json

    settings = settings_at(bootstrap_servers)
    topic = work_topic or settings.work_topic
    if as_json and not yes:
        raise typer.BadParameter("--json asks nothing: give --yes too")
    if not yes:
        confirm(f"End all that is pending of {', '.join(targets)} by error events?")
    told = tell_every_partition(settings, topic, [request(target) for target in targets], client_id="roundbatch-cancel")
    if as_json:
        typer.echo(json.dumps({"targets": targets, "work_topic": topic, "partitions": told}))
    else:
        typer.echo(f"{counted(told, 'partition')} of {topic} told; `roundbatch explain ID` shows what became of a comparison")


def request(target: str) -> CancelRequested:
    """The record for one argument. A UUID is a correlation id, and a bos_batch_id where a round goes by that."""
    import uuid

    from streams.wire.work import CancelRequested

    try:
        return CancelRequested(batch=target, ids=(str(uuid.UUID(target)),))
    except ValueError:
        return CancelRequested(batch=target)
