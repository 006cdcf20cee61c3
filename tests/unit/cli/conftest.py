"""A Kafka for commands that send."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from tests.waiting import LIMIT_S


@pytest.fixture(scope="session")
def mock_cluster() -> Iterator[str]:
    """The address of a mock cluster of librdkafka, with one broker."""
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    [broker] = cluster.list_topics(timeout=LIMIT_S).brokers.values()
    yield f"{broker.host}:{broker.port}"
    cluster.flush()  # the cluster lives for as long as this producer does
