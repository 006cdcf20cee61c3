"""confluent-kafka's clients, as the demo and the benchmarks use them: made here alone, with what Kafka asks of a client."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, Producer

from streams import kafka_security
from streams.settings_kafka import KafkaSettings


def producer(kafka: KafkaSettings, config: Mapping[str, Any]) -> Producer:
    """A producer with this configuration."""
    return Producer({**kafka_security.librdkafka(kafka), **config})


def consumer(kafka: KafkaSettings, config: Mapping[str, Any]) -> Consumer:
    """A consumer with this configuration."""
    return Consumer({**kafka_security.librdkafka(kafka), **config})
