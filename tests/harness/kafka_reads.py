"""What tests read of Kafka: records, and how many there are. Errors that pass by themselves are waited out here alone."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.waiting import LIMIT_S, until

ANSWER_S = 30.0
# Kafka says of these that the same request may succeed a moment later: a partition gets another leader, which does not yet know
# how far its replicas are; a broker goes or comes.
PASSING = frozenset(
    {
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._DESTROY_BROKER,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._UNKNOWN_PARTITION,  # of metadata that a broker gave which has just begun to serve
    }
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read:
    """One record as a consumer sees it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: dict[str, str]
    timestamp_ms: int  # since the epoch; whose it is, the producer's or the broker's, is the topic's setting

    @property
    def json(self) -> dict[str, Any]:
        """The value decoded."""
        decoded: dict[str, Any] = json.loads(self.value)
        return decoded


def passing(error: KafkaError) -> bool:
    """Whether the same request may succeed a moment later."""
    return error.code() in PASSING


def persistently(ask: Callable[[], T], limit_s: float = LIMIT_S) -> T:
    """What `ask()` gives, asked again while Kafka answers with an error that passes."""
    answers: list[T] = []
    last = ""

    def answered() -> bool:
        nonlocal last
        try:
            answers.append(ask())
        except KafkaException as failed:
            if not passing(failed.args[0]):
                raise
            last = str(failed)
        return bool(answers)

    until(answered, "Kafka answers", lambda: last, limit_s=limit_s, every_s=0.1)
    return answers[0]


def read_topic(bootstrap: str, topic: str) -> list[Read]:
    """Every record of a topic up to its end now; empty where there is no topic."""
    consumer = _consumer(bootstrap, f"{topic}-reader")
    try:
        return [record for partition in _partitions(consumer, topic) for record in _read_partition(consumer, topic, partition)]
    finally:
        consumer.close()


def count_offsets(bootstrap: str, topic: str) -> int:
    """How many offsets of a topic are taken, without reading a record."""
    consumer = _consumer(bootstrap, f"{topic}-counter")
    try:
        ends = (_ends(consumer, TopicPartition(topic, partition)) for partition in _partitions(consumer, topic))
        return sum(high - low for low, high in ends)
    finally:
        consumer.close()


def _consumer(bootstrap: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "log_level": 0,
            # A fetch that waits at one partition's end holds up the next one's: 1 s a topic by default, 30 ms so.
            "fetch.wait.max.ms": 10,
        }
    )


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    return list(persistently(lambda: consumer.list_topics(topic, timeout=ANSWER_S)).topics[topic].partitions)


def _ends(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """The first and the next offset."""
    low, high = persistently(lambda: consumer.get_watermark_offsets(place, timeout=ANSWER_S))
    return int(low), int(high)


def _read_partition(consumer: Consumer, topic: str, partition: int) -> list[Read]:
    low, high = _ends(consumer, TopicPartition(topic, partition))
    if low >= high:
        return []
    consumer.assign([TopicPartition(topic, partition, low)])
    records: list[Read] = []
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is None:
            position = consumer.position([TopicPartition(topic, partition)])[0].offset
            if position >= high:  # transaction markers and compaction leave gaps
                return records
        elif error := message.error():
            assert passing(error), str(error)
        else:
            given: Any = message.headers()  # pairs; the declared type allows what only a producer may give
            offset: Any = message.offset()  # None is for a message that was not read
            headers = {name: (value or b"").decode() for name, value in given or []}
            records.append(Read(partition, offset, message.key(), message.value() or b"", headers, message.timestamp()[1]))
            if offset >= high - 1:
                return records
    raise AssertionError(f"{topic}, partition {partition}: {len(records)} records read in {LIMIT_S:g} s, not up to {high}")
