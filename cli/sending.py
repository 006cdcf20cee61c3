"""Sends records to a topic that must exist already; each is acknowledged by itself."""

import asyncio
from collections.abc import Sequence

from settings.kafka import KafkaSettings
from streams.kafka import rights, security


async def send_each(
    kafka: KafkaSettings, topic: str, records: Sequence[tuple[bytes | None, bytes]], *, client_id: str
) -> list[BaseException | None]:
    """Send (key, value) pairs; returns for each None once it is acknowledged, or the error that it met.

    Errors: LookupError where there is no such topic, for on many clusters sending would create it, with another partition count
    than the worker's. rights.MissingRights; aiokafka's KafkaError where Kafka went away before anything was sent.
    """
    if topic not in await rights.partitions(kafka, {topic: rights.WRITE}):
        raise LookupError(
            f"topic {topic} does not exist at {kafka.kafka_bootstrap_servers}: start the worker, which creates it"
        )
    producer = security.producer(kafka, client_id=client_id)
    try:
        await producer.start()
        done = await asyncio.gather(
            *(producer.send_and_wait(topic, value, key=key) for key, value in records), return_exceptions=True
        )
    finally:
        await producer.stop()
    return [end if isinstance(end, BaseException) else None for end in done]
