"""Work topics on librdkafka's mock cluster (the fixture `mock_cluster` of tests/unit/cli): to be made, and read."""

import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

from streams.wire import work
from tests.waiting import LIMIT_S, until


def make_topic(servers: str, topic: str) -> int:
    """The mock makes a topic on first use; the number of its partitions."""
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    producer.produce(topic, b"{}", partition=0)
    assert producer.flush(10) == 0
    return len(producer.list_topics(topic, timeout=LIMIT_S).topics[topic].partitions)


def records(servers: str, topic: str, partition: int) -> list[work.WorkRecord]:
    """The work records of one partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": str(uuid.uuid4()), "log_level": 0})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=LIMIT_S)
    consumer.assign([TopicPartition(topic, partition, 0)])
    values: list[bytes] = []

    def all_read() -> bool:
        message = consumer.poll(0.5)
        if message is not None and not message.error():
            values.append(message.value() or b"")
        return len(values) >= end

    if end:
        until(all_read, f"{end} records are read", every_s=0.0)
    consumer.close()
    return [work.decode(value) for value in values if value != b"{}"]
