"""Topics for a test."""

import time
from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic

from tests.brokers.serving import admin_client

TIMEOUT_S = 30


def create_topics(bootstrap: str, partitions: Mapping[str, int], *, config: Mapping[str, str] | None = None) -> None:
    """Create the topics (name → partition count), all with the same config, and return once each partition has a leader.

    KafkaException where the broker refuses one, one that exists included.
    """
    admin = admin_client(bootstrap)
    wanted = [NewTopic(name, count, 1, config=dict(config or {})) for name, count in partitions.items()]
    for created in admin.create_topics(wanted, operation_timeout=TIMEOUT_S).values():
        created.result(timeout=TIMEOUT_S)
    until = time.monotonic() + TIMEOUT_S
    missing = dict(partitions)
    while missing:
        # A topic is committed in the controller before every broker's metadata shows it.
        listed = admin.list_topics(timeout=TIMEOUT_S).topics
        missing = {
            name: count
            for name, count in partitions.items()
            if name not in listed or sum(p.leader >= 0 for p in listed[name].partitions.values()) != count
        }
        if missing and time.monotonic() > until:
            raise KafkaException(f"no leader within {TIMEOUT_S} s for partitions of {sorted(missing)}")


def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete a topic, and return once it is gone."""
    admin = admin_client(bootstrap)
    for deleted in admin.delete_topics([topic], operation_timeout=TIMEOUT_S).values():
        deleted.result(timeout=TIMEOUT_S)
    until = time.monotonic() + TIMEOUT_S
    while topic in admin.list_topics(timeout=TIMEOUT_S).topics:
        if time.monotonic() > until:
            raise KafkaException(f"{topic} is still there after {TIMEOUT_S} s")
