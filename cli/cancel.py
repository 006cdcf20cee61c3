"""`roundbatch cancel`: ends comparisons that nobody wants any more by error events, and cancels their batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import kafka
from cli.confirming import confirm
from cli.kafka import BootstrapServers, settings_at
from cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from settings.settings import Settings
    from streams.wire.work import CancelRequested


def cancel(
    targets: Annotated[list[str], typer.Argument(metavar="BATCH|ID…", help="cj_batch_id, or correlation id (a UUID).")],
    bootstrap_servers: BootstrapServers = None,
    work_topic: Annotated[str | None, typer.Option(help="The worker's own topic, in place of ROUNDBATCH_WORK_TOPIC.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; needs --yes.")] = False,
) -> None:
    """End what is pending of these batches and ids by SERVICE_UNAVAILABLE events, for good.

    CJ takes such an event as final and does not ask again. A batch job of which no comparison is wanted any more is
    cancelled at the provider; what it has answered until then is paid. What is requested later is worked on as usual.
    """
    import json

    from aiokafka.errors import KafkaError

    settings = settings_at(bootstrap_servers)
    topic = work_topic or settings.work_topic
    if as_json and not yes:
        raise typer.BadParameter("--json asks nothing: give --yes too")
    if not yes:
        confirm(f"End all that is pending of {', '.join(targets)} by error events?")
    try:
        told = kafka.run(settings, lambda: _send([request(target) for target in targets], settings, topic))
    except LookupError as error:
        typer.echo(str(error.args[0]), err=True)
        raise typer.Exit(1) from error
    except KafkaError as error:
        typer.echo(
            f"Kafka at {settings.kafka_bootstrap_servers} did not take it: {error}; the same command again does no harm",
            err=True,
        )
        raise typer.Exit(1) from error
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


async def _send(records: Sequence[CancelRequested], settings: Settings, topic: str) -> int:
    """Send every record to every partition, for only the producer knows how it hashes keys; returns how many partitions.

    Errors: LookupError where there is no such topic, KafkaError for the first record that is not acknowledged.
    """
    import asyncio

    from streams.kafka import rights, security
    from streams.wire import work

    count = (await rights.partitions(settings, {topic: rights.WRITE})).get(topic)
    if count is None:
        servers = settings.kafka_bootstrap_servers
        raise LookupError(f"topic {topic} does not exist at {servers}: name the worker's with --work-topic")
    producer = security.producer(settings, client_id="roundbatch-cancel")
    try:
        await producer.start()
        values = [work.encode(record) for record in records]
        await asyncio.gather(
            *(producer.send_and_wait(topic, value, partition=partition) for partition in range(count) for value in values)
        )
    finally:
        await producer.stop()
    return count
