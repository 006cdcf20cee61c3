"""What tests read of Kafka: records, and how many there are. Errors that pass by themselves are waited out here alone."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

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
    reader = Reader(bootstrap)
    try:
        return reader.read(topic)
    finally:
        reader.close()


@dataclass(slots=True)
class _Kept:
    """What was read of a partition, and the offset to go on from."""

    records: list[Read] = field(default_factory=list)
    next: int = 0


class Reader:
    """Reads topics over one consumer, and no record twice: a test that waits reads the same topics five times a second."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = _consumer(bootstrap, "reader")
        self._kept: dict[str, dict[int, _Kept]] = {}

    def read(self, topic: str) -> list[Read]:
        """Every record of a topic up to its end now, by partition and offset; empty where there is no topic."""
        kept = self._kept.setdefault(topic, {})
        ends = {one: _ends(self._consumer, TopicPartition(topic, one)) for one in _partitions(self._consumer, topic)}
        for partition, (low, high) in ends.items():
            if partition not in kept or kept[partition].next > high:  # the latter of a topic that was made again
                kept[partition] = _Kept(next=low)
        self._fetch(topic, {partition: high for partition, (_, high) in ends.items() if kept[partition].next < high})
        return [record for one, (low, _) in ends.items() for record in kept[one].records if record.offset >= low]

    def forget(self, topic: str) -> None:
        """Of a topic that is deleted: another one of its name is read from its beginning."""
        self._kept.pop(topic, None)

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()

    def _fetch(self, topic: str, behind: dict[int, int]) -> None:
        """Read on, in each of these partitions up to this offset at least."""
        if not behind:
            return
        kept = self._kept[topic]
        self._consumer.assign([TopicPartition(topic, partition, kept[partition].next) for partition in behind])
        end = time.monotonic() + LIMIT_S
        while behind:
            assert time.monotonic() < end, f"{topic} was not read up to {behind} (partition: offset) in {LIMIT_S:g} s"
            message = self._consumer.poll(0.5)
            if message is None:  # transaction markers and compaction leave gaps
                for place in self._consumer.position([TopicPartition(topic, partition) for partition in behind]):
                    if place.offset >= behind[place.partition]:
                        kept[place.partition].next = behind.pop(place.partition)
            elif error := message.error():
                assert passing(error), str(error)
            else:
                record = _read(message)
                kept[record.partition].records.append(record)
                kept[record.partition].next = record.offset + 1
                if record.offset + 1 >= behind.get(record.partition, 0):
                    behind.pop(record.partition, None)
        self._consumer.unassign()  # else it would go on asking for more


def _read(message: Message) -> Read:
    partition: Any = message.partition()  # None is for a message that was not read
    offset: Any = message.offset()
    given: Any = message.headers()  # pairs; the declared type allows what only a producer may give
    headers = {name: (value or b"").decode() for name, value in given or []}
    return Read(partition, offset, message.key(), message.value() or b"", headers, message.timestamp()[1])


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
            "enable.auto.commit": False,
            # To a broker that was away.
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
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
