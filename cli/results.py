"""`roundbatch results`: the result events of a callback topic, a line each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli import kafka
from cli.kafka import BootstrapServers, settings_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from settings.kafka import KafkaSettings


def results(
    follow: Annotated[bool, typer.Option("--follow", help="Print events as they come, until Ctrl-C.")] = False,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="With --follow: print what is there first.")] = False,
    bootstrap_servers: BootstrapServers = None,
    topic: Annotated[
        str | None, typer.Option(help="The callback topic, in place of the first of ROUNDBATCH_ALLOWED_CALLBACK_TOPICS.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event's value as it is.")] = False,
) -> None:
    """Print result events: correlation id, winner or error code, confidence, provider, model, cost.

    Without --follow: all events up to the topic's present end.
    """
    from aiokafka.errors import KafkaError

    from streams.kafka.unreadable import Unreadable

    settings = settings_at(bootstrap_servers)

    topic = topic or settings.allowed_callback_topics[0]

    async def show() -> None:
        count = 0
        async for value in _values(settings, topic, follow, from_beginning or not follow):
            typer.echo(value.decode(errors="replace") if as_json else line(value))
            count += 1
        if not count:
            typer.echo(f"no result events in {topic} yet; --follow waits for them", err=True)

    try:
        kafka.run(settings, show)
    except LookupError as error:
        typer.echo(str(error.args[0]), err=True)
        raise typer.Exit(1) from error
    except Unreadable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KafkaError as error:
        typer.echo(f"Kafka at {settings.kafka_bootstrap_servers} cannot be reached: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def line(value: bytes) -> str:
    """Shorten a result event to one line; any other record is shown as not being one, so that reading goes on."""
    try:
        data = json.loads(value)["data"]
        verdict = data["winner"] or data["error_detail"]["error_code"]
        confidence = "-" if data["confidence"] is None else f"{data['confidence']:.1f}"
        return (
            f"{data['correlation_id']}  {verdict:<22} {confidence:>4}  {data['provider']:<10} "
            f"{data['model']:<25}  ${data['cost_estimate']:.6f}"
        )
    except (ValueError, KeyError, TypeError):
        return f"not a result event: {value[:80]!r}"


async def _values(settings: KafkaSettings, topic: str, follow: bool, from_beginning: bool) -> AsyncIterator[bytes]:
    """Yield values in order per partition, without a consumer group: looking on must not move a group's offsets."""
    from aiokafka import TopicPartition

    from streams.kafka import rights, security
    from streams.kafka.unreadable import fetched

    count = (await rights.partitions(settings, {topic: rights.READ})).get(topic)
    if count is None:
        raise LookupError(f"topic {topic} does not exist at {settings.kafka_bootstrap_servers}: name another with --topic")
    partitions = [TopicPartition(topic, number) for number in range(count)]
    consumer = security.consumer(
        settings,
        client_id="roundbatch-results",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions) if from_beginning else ends
        for partition in partitions:
            consumer.seek(partition, starts[partition])
        while True:
            if not follow:
                # The end is found by position, not by the last record: transaction markers at the end are never delivered.
                positions = {partition: await consumer.position(partition) for partition in partitions}
                if all(positions[partition] >= ends[partition] for partition in partitions):
                    return
            for partition, records in (await fetched(consumer, partitions)).items():
                for record in records:
                    if follow or record.offset < ends[partition]:
                        yield record.value or b""
    finally:
        await consumer.stop()
