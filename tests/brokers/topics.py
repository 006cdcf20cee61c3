"""Topics for a test."""

from collections.abc import Mapping

from confluent_kafka.cimpl import NewTopic

from tests.brokers.serving import admin_client
from tests.waiting import LIMIT_S, until


def create_topics(bootstrap: str, partitions: Mapping[str, int], *, config: Mapping[str, str] | None = None) -> None:
    """Create the topics (name → partition count), all with the same config, and return once each partition has a leader.

    KafkaException where the broker refuses one, one that exists included.
    """
    admin = admin_client(bootstrap)
    wanted = [NewTopic(name, count, 1, config=dict(config or {})) for name, count in partitions.items()]
    for created in admin.create_topics(wanted, operation_timeout=LIMIT_S).values():
        created.result(timeout=LIMIT_S)

    def led() -> bool:
        # A topic is committed in the controller before every broker's metadata shows it.
        listed = admin.list_topics(timeout=LIMIT_S).topics
        return all(
            name in listed and sum(p.leader >= 0 for p in listed[name].partitions.values()) == count
            for name, count in partitions.items()
        )

    until(led, f"each partition of {sorted(partitions)} has a leader")


def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete a topic, and return once it is gone."""
    admin = admin_client(bootstrap)
    for deleted in admin.delete_topics([topic], operation_timeout=LIMIT_S).values():
        deleted.result(timeout=LIMIT_S)
    until(lambda: topic not in admin.list_topics(timeout=LIMIT_S).topics, f"topic {topic} is gone")
