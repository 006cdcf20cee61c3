"""Producers that wait for Kafka for as long as it is away."""

import math
from typing import Any

from aiokafka import AIOKafkaProducer

from settings.kafka import KafkaSettings
from streams.kafka import security
from streams.kafka.broker_watch import BrokerWatch

# How often the producer asks which brokers there are; aiokafka's default is 5 min. A client asks only brokers that it knows,
# and those that have come back since it last asked it does not know.
METADATA_MAX_AGE_MS = 30_000


async def started(
    kafka: KafkaSettings, *, linger_ms: int, batch_bytes: int, record_bytes: int, request_timeout_ms: int
) -> AIOKafkaProducer:
    """A connected producer; records above record_bytes it refuses itself. Raises aiokafka's KafkaConnectionError."""
    producer = security.producer(
        kafka,
        enable_idempotence=True,  # retries neither repeat nor reorder
        linger_ms=linger_ms,
        max_batch_size=batch_bytes,
        max_request_size=record_bytes,
        request_timeout_ms=request_timeout_ms,
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
    )
    # aiokafka fails a record that has waited for its partition's leader for longer than a request may take. A leader may be
    # away for hours, so this limit is taken away.
    accumulator: Any = producer._message_accumulator
    accumulator._batch_ttl = math.inf
    producer.client.cluster.add_listener(BrokerWatch())
    await producer.start()
    return producer
