"""Makes confluent-kafka's clients for the demo and the benchmarks: only here, with all that a secured Kafka asks for."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, Producer

from settings.kafka import KafkaSettings
from streams.kafka import security


def producer(kafka: KafkaSettings, config: Mapping[str, Any]) -> Producer:
    """A producer with this configuration."""
    return Producer({**security.librdkafka(kafka), **config})


def consumer(kafka: KafkaSettings, config: Mapping[str, Any]) -> Consumer:
    """A consumer with this configuration."""
    return Consumer({**security.librdkafka(kafka), **config})
