"""Tells every partition of a worker's topic something: only the producer of requests knows which one a batch is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import kafka

if TYPE_CHECKING:
    from collections.abc import Sequence

    from settings.settings import Settings
    from streams.wire.work import WorkRecord

WorkTopic = Annotated[str | None, typer.Option(help="The worker's own topic, in place of ROUNDBATCH_WORK_TOPIC.")]


def tell_every_partition(settings: Settings, topic: str, records: Sequence[WorkRecord], *, client_id: str) -> int:
    """Send every record to every partition of a work topic; returns how many partitions it has.

    What is wrong is said on stderr, and the command ends with exit 1, or as `cli.kafka.run` ends it.
    """
    from aiokafka.errors import KafkaError

    try:
        return kafka.run(settings, lambda: _send(records, settings, topic, client_id))
    except LookupError as error:
        typer.echo(str(error.args[0]), err=True)
        raise typer.Exit(1) from error
    except KafkaError as error:
        typer.echo(
            f"Kafka at {settings.kafka_bootstrap_servers} did not take it: {error}; the same command again does no harm",
            err=True,
        )
        raise typer.Exit(1) from error


async def _send(records: Sequence[WorkRecord], settings: Settings, topic: str, client_id: str) -> int:
    """Errors: LookupError where there is no such topic, KafkaError for the first record that is not acknowledged."""
    import asyncio

    from streams.kafka import rights, security
    from streams.wire import work

    count = (await rights.partitions(settings, {topic: rights.WRITE})).get(topic)
    if count is None:
        servers = settings.kafka_bootstrap_servers
        raise LookupError(f"topic {topic} does not exist at {servers}: name the worker's with --work-topic")
    producer = security.producer(settings, client_id=client_id)
    try:
        await producer.start()
        values = [work.encode(record) for record in records]
        await asyncio.gather(
            *(producer.send_and_wait(topic, value, partition=partition) for partition in range(count) for value in values)
        )
    finally:
        await producer.stop()
    return count
