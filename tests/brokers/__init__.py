"""A real Apache Kafka for tests and benchmarks: `running_kafka()` chooses and starts one."""

from tests.brokers.errors import BrokerUnavailable
from tests.brokers.kafka import running_kafka

__all__ = ["BrokerUnavailable", "running_kafka"]
