"""Reading a topic from somewhere to its present end, without a consumer group: looking on moves nobody's offsets."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any

from aiokafka import TopicPartition

from settings.kafka import KafkaSettings
from settings.settings import Settings
from streams.kafka import rights, security
from streams.kafka.unreadable import fetched

_MOST_BYTES = 8 * 1024 * 1024  # a partition in one fetch: records of our own topics have up to 4 MiB
CLIENT_ID = "roundbatch-explain"
CLOCKS_APART_MS = 60_000
"""What follows from a record was appended after it, but the clocks of two topics' brokers may differ by this."""


async def readable(settings: Settings, topics: Iterable[str]) -> dict[str, int]:
    """The number of partitions of each of these topics that exists; the request topic is one of them.

    Errors: LookupError where there is no request topic; MissingRights; aiokafka's KafkaError.
    """
    known = await rights.partitions(settings, dict.fromkeys(topics, rights.READ))
    if settings.request_topic not in known:
        servers = settings.kafka_bootstrap_servers
        raise LookupError(f"topic {settings.request_topic} does not exist at {servers}: set ROUNDBATCH_REQUEST_TOPIC")
    return known


async def scan(
    kafka: KafkaSettings, topic: str, partitions: Iterable[int], *, since_ms: int | None = None
) -> AsyncGenerator[Any, None]:
    """Yield aiokafka's records that were appended since `since_ms`, of all partitions at once, in order within each.

    Errors: Unreadable for a record that cannot be decoded; aiokafka's KafkaError.
    """
    places = [TopicPartition(topic, number) for number in partitions]
    if not places:
        return
    consumer = security.consumer(
        kafka,
        client_id=CLIENT_ID,
        enable_auto_commit=False,
        max_partition_fetch_bytes=_MOST_BYTES,
    )
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place, start in (await _starts(consumer, places, since_ms)).items():
            consumer.seek(place, ends[place] if start is None else start)
        # The end is found by position, not by the last record: transaction markers at the end are never delivered.
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await fetched(consumer, places)).items():
                for record in records:
                    if record.offset < ends[place]:
                        yield record
    finally:
        await consumer.stop()


async def _starts(consumer: Any, places: list[TopicPartition], since_ms: int | None) -> dict[TopicPartition, int | None]:
    if since_ms is None:
        return dict(await consumer.beginning_offsets(places))
    found = await consumer.offsets_for_times({place: max(0, since_ms) for place in places})
    return {place: None if at is None else at.offset for place, at in found.items()}
