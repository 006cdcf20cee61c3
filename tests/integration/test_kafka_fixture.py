"""The broker of the `kafka` fixture does what the worker relies on."""

import time

import aiokafka
import pytest
from aiokafka.structs import TopicPartition
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.brokers.serving import admin_client
from tests.brokers.topics import create_topics
from tests.waiting import LIMIT_S

MIB = 1024 * 1024
OWN_TOPIC = {
    "cleanup.policy": "compact,delete",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(4 * MIB),
}


@pytest.mark.smoke
async def test_a_3_mb_record_comes_back_with_the_append_time(kafka: str, unique: str) -> None:
    create_topics(kafka, {unique: 2}, config=OWN_TOPIC)
    value = b"x" * (3 * MIB)
    long_ago_ms = 1_000_000_000_000
    before_ms = int(time.time() * 1000) - 1000
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=4 * MIB) as producer:
        await producer.send_and_wait(unique, value, key=b"1/k", partition=1, timestamp_ms=long_ago_ms)
    async with aiokafka.AIOKafkaConsumer(
        unique, bootstrap_servers=kafka, auto_offset_reset="earliest", max_partition_fetch_bytes=4 * MIB
    ) as consumer:
        record = await consumer.getone()
    assert (record.partition, record.offset, record.key, record.value) == (1, 0, b"1/k", value)
    assert record.timestamp_type == 1
    assert record.timestamp >= before_ms


@pytest.mark.smoke
async def test_offsets_are_committed_and_read_by_the_next_member(kafka: str, unique: str) -> None:
    create_topics(kafka, {unique: 1})
    partition = TopicPartition(unique, 0)
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(3):
            await producer.send_and_wait(unique, str(number).encode())
    settings = {
        "bootstrap_servers": kafka,
        "group_id": unique,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
    }
    async with aiokafka.AIOKafkaConsumer(unique, **settings) as first:
        assert (await first.getone()).value == b"0"
        assert (await first.getone()).value == b"1"
        await first.commit({partition: 2})
    async with aiokafka.AIOKafkaConsumer(unique, **settings) as second:
        assert await second.committed(partition) == 2
        assert (await second.getone()).value == b"2"


async def test_a_transaction_is_seen_whole_or_not_at_all(kafka: str, unique: str) -> None:
    create_topics(kafka, {unique: 1})
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=unique) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(unique, b"taken back")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(unique, b"kept")
    async with aiokafka.AIOKafkaConsumer(
        unique, bootstrap_servers=kafka, auto_offset_reset="earliest", isolation_level="read_committed"
    ) as consumer:
        assert (await consumer.getone()).value == b"kept"


def test_the_topic_keeps_the_config_that_it_was_made_with(kafka: str, unique: str) -> None:
    create_topics(kafka, {unique: 2}, config=OWN_TOPIC)
    admin = admin_client(kafka)
    (described,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, unique)]).values()
    entries = described.result(timeout=LIMIT_S)
    assert {name: entries[name].value for name in OWN_TOPIC} == OWN_TOPIC


def test_a_topic_is_made_once(kafka: str, unique: str) -> None:
    create_topics(kafka, {unique: 2})
    with pytest.raises(KafkaException, match="already exists"):
        create_topics(kafka, {unique: 2})


def test_a_topic_that_nobody_declared_is_refused(kafka: str, unique: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "allow.auto.create.topics": True})
    error = producer.list_topics(unique, timeout=LIMIT_S).topics[unique].error
    assert error is not None
    assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
