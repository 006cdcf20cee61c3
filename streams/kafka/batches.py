"""Puts records straight into the batches of aiokafka's producer, without a coroutine and a future for each of them.

What `AIOKafkaProducer.send` does is done here by the same calls of the producer's accumulator, for half of the processor time,
but for two things. A record whose batch is full waits in a queue of its own partition, and not with the records of all others
behind it. And batches are due together with the oldest one that waits, so that they go in one request; each by its own time
would be a request of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

from streams.kafka.sends import Send

_SURELY_FITS_BYTES = 1024 * 1024  # of a value: keys and headers are far from the other 3 MiB that the producer takes


class Batches:
    """The batches of one producer. `requeue` gets back records that waited for room in a topic that is gone."""

    def __init__(self, producer: AIOKafkaProducer, requeue: Callable[[list[Send]], None]) -> None:
        self._accumulator: Any = producer._message_accumulator
        self._cluster = producer.client.cluster
        self._partitioner: Callable[[bytes, list[int], list[int]], int] = producer._partitioner
        self._most_bytes: int = producer._max_request_size
        self._requeue = requeue
        self._topics: dict[str, list[int] | None] = {}
        self._places: dict[tuple[str, int], TopicPartition] = {}
        self._behind: dict[TopicPartition, deque[Send]] = {}
        self._oldest: Any = None  # the batch with which those that come after it are due
        self.lingers = True  # whether a batch that is begun now waits for the producer's linger
        self._cluster.add_listener(self._learned)

    def _learned(self, _: object) -> None:
        self._topics.clear()

    def partitions_of(self, topic: str) -> list[int] | None:
        """The partitions of a topic; None for one that the producer does not know."""
        try:
            return self._topics[topic]
        except KeyError:
            found = self._cluster.partitions_for_topic(topic)
            self._topics[topic] = partitions = None if found is None else list(found)
            return partitions

    def add(self, send: Send) -> bool:
        """Take a record; False for one that has to go by way of `AIOKafkaProducer.send`, which may wait or raise."""
        partition, partitions = send.partition, self.partitions_of(send.topic)
        if partition is None:
            if not partitions or send.key is None:
                return False
            partition = self._partitioner(send.key, partitions, partitions)
        place = self._places.get((send.topic, partition))
        if place is None:
            place = self._places[send.topic, partition] = TopicPartition(send.topic, partition)
        behind = self._behind.get(place)
        if behind is not None:
            behind.append(send)
            return True
        return partitions is not None and partition in partitions and self._fits(send) and self._put(place, send)

    def _fits(self, send: Send) -> bool:
        value, key = send.value, send.key
        if value is None:
            return key is not None
        if len(value) < _SURELY_FITS_BYTES:
            return True
        estimated: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, send.headers or [])
        return estimated <= self._most_bytes

    def _put(self, place: TopicPartition, send: Send) -> bool:
        accumulator = self._accumulator
        if accumulator._closed or accumulator._exception is not None:
            return False
        waiting = accumulator._batches.get(place)
        batch = waiting[-1] if waiting else self._begun(place)
        if batch.append(send.key, send.value, None, send.itself, send.headers) is None:
            self._wait(place, batch, deque((send,)))
        return True

    def _begun(self, place: TopicPartition) -> Any:
        batch = self._accumulator._append_batch(self._accumulator.create_builder(), place)
        if not self.lingers:
            batch._linger_time = 0.0
        if self._oldest is None or self._oldest._drain_waiter.done():
            self._oldest = batch
        else:
            batch._ctime = self._oldest._ctime
        return batch

    def _wait(self, place: TopicPartition, batch: Any, behind: deque[Send]) -> None:
        """Let records wait until the partition's batch, which is full, is on its way."""
        self._behind[place] = behind
        if not self._accumulator._waiter_future.done():
            self._accumulator._waiter_future.set_result(None)
        batch._drain_waiter.add_done_callback(lambda drained: self._room(place, drained))

    def _room(self, place: TopicPartition, drained: "asyncio.Future[None]") -> None:
        if not drained.cancelled():
            drained.exception()  # retrieved: the batch's own records are told of it
        behind = self._behind.pop(place)
        while behind:
            partitions = self.partitions_of(place.topic)
            if partitions is None or not self._fits(behind[0]) or not self._put(place, behind[0]):
                self._requeue(list(behind))
                return
            behind.popleft()
            if place in self._behind:  # full again: the record has begun a new queue
                self._behind[place].extend(behind)
                return


async def taken(producer: AIOKafkaProducer, send: Send) -> "asyncio.Future[Any]":
    """Give a record to the producer; while that has no room (the partition's batch is full and unacknowledged), wait."""
    while True:
        try:
            acknowledged: asyncio.Future[Any] = await producer.send(
                send.topic, send.value, key=send.key, partition=send.partition, headers=send.headers
            )
        except KafkaTimeoutError:  # it has waited for as long as a request may take, and has not taken the record
            continue
        return acknowledged
