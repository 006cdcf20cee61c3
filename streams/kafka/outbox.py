"""The one producer of the worker: step 3 of streams.kafka.consumer. Each send gives a future, done when Kafka has acknowledged.

`send` only puts a record into a queue, so that a handler can read tables, write and send without an await in between. When the
handler's turn of the event loop is over, the records go from the queue into the batches of aiokafka's producer, in their order
(streams.kafka.batches). A task takes those that cannot go at once.
"""

import asyncio
import time
from collections import deque
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)

from settings.kafka import KafkaSettings
from streams import failstop
from streams.kafka import producers
from streams.kafka.batches import Batches, taken
from streams.kafka.parked import Parked
from streams.kafka.sends import Headers, Send, TooLarge

log = structlog.get_logger("outbox")

MAX_RECORD_BYTES = 4 * 1024 * 1024  # own topics and the producer allow this; inbound records are capped at 1 MiB
_BATCH_BYTES, _LEAST_BATCH_BYTES = 256 * 1024, 16 * 1024
# How long the producer gathers records, while so many are unacknowledged: then there is load, and a request with many of them
# costs little more than one with few. With fewer a batch goes at once: a comparison has five hops, each of which would be
# later by the whole time.
_LINGER_MS, _LINGER_FROM = 5, 16
_REFUSED_S = 60.0  # how long it is remembered which size a topic has refused: its limit may be raised
_RECONNECT_S = 1.0


class Outbox:
    """Sends records, those of each topic in the order given. A send that fails ends the process: its record must be read again.

    A send that Kafka does not acknowledge has not failed: it waits until a broker does, for it may hold what has been paid for.

    A *lasting* send is one to a topic of somebody else (results), whose faults are no reason to stop the worker. While that
    topic does not exist its records are parked, and hold up no other topic's. Where it refuses a record for its size, the
    send's future gets TooLarge, and the sender replaces the record.
    """

    def __init__(
        self, kafka: KafkaSettings, *, linger_ms: int = _LINGER_MS, high_water: int = 5_000, request_timeout_ms: int = 40_000
    ) -> None:
        self._kafka = kafka
        self._linger_ms = linger_ms
        self._request_timeout_ms = request_timeout_ms
        self._high_water = high_water
        self._waiting: deque[Send] = deque()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._below = asyncio.Event()
        self._in_flight = 0
        self._moved_s = 0.0
        self._producer: AIOKafkaProducer | None = None
        self._batches: Batches | None = None
        self._turn_ends = False  # the queue is looked at when this turn of the event loop is over
        self._pumping = False  # the task is at the queue
        self._over: list[Send] = []  # acknowledged or refused, to be settled when this turn is over
        self._pump: asyncio.Task[None] | None = None
        self._number = 0
        self._handed = 0  # records that aiokafka's producer has, and Kafka has not acknowledged
        self._idle = asyncio.Event()
        self._idle.set()
        self._again: list[Send] = []  # to be sent once more, by a new producer
        self._renew = False
        self._batch_bytes, self._smaller = _BATCH_BYTES, False
        self._refused: dict[str, tuple[int, float]] = {}  # by topic: the smallest size, and until when that counts
        self.parked = Parked(self._is_there, self._unpark)

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaConnectionError when no broker answers."""
        await self._connect()
        self._pump = asyncio.create_task(self._run(), name="outbox")
        failstop.watch(self._pump, "outbox")

    async def _connect(self) -> None:
        self._producer = await producers.started(
            self._kafka,
            linger_ms=self._linger_ms,
            batch_bytes=self._batch_bytes,
            record_bytes=MAX_RECORD_BYTES,
            request_timeout_ms=self._request_timeout_ms,
        )
        self._batches = Batches(self._producer, self._taken_back)

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers | None = None,
        lasting: bool = False,
    ) -> "asyncio.Future[Any]":
        """Queue one record; the future gives aiokafka's RecordMetadata once it is acknowledged, or a lasting one's TooLarge."""
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        if not self._in_flight:
            self._moved_s = time.monotonic()
            self._drained.clear()
        self._number += 1
        self._waiting.append(Send(self._number, topic, value, key, partition, headers, told, self._is_over, lasting))
        self._in_flight += 1
        if not self._turn_ends:
            self._turn_ends = True
            loop.call_soon(self._end_turn)
        return told

    def _end_turn(self) -> None:
        self._turn_ends = False
        if self._pumping:
            return  # the task goes on with what has come
        while self._waiting:
            if self._renew or not self._goes_at_once(self._waiting[0]):
                self._wake.set()
                return
            self._waiting.popleft()

    def silent_s(self) -> float:
        """For how long nothing has been acknowledged although something was sent; 0 when everything is acknowledged."""
        return time.monotonic() - self._moved_s if self._in_flight else 0.0

    async def room(self) -> None:
        """Wait while more than high_water sends are unacknowledged: what bounds the memory of the queue."""
        if self._in_flight > self._high_water:
            self._below.clear()
            await self._below.wait()

    async def drain(self) -> None:
        """Wait until all that was sent is acknowledged."""
        await self._drained.wait()

    async def stop(self) -> None:
        """Send what is queued, then disconnect."""
        await self.drain()
        if self._pump is not None:
            self._pump.cancel()
        if self._producer is not None:
            await self._producer.stop()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._pumping = True
            while self._waiting or self._renew:
                if self._renew:
                    await self._begin_anew()
                elif self._goes_at_once(self._waiting[0]):
                    self._waiting.popleft()
                else:
                    await self._hand_over(self._waiting.popleft())
            self._pumping = False

    def _goes_at_once(self, send: Send) -> bool:
        """Have a record go if that needs no waiting: it is in a batch then, or behind one, or it is over, or parked."""
        if send.lasting and not self._may_go(send):
            return True
        if send.alone or self._batches is None:
            return False
        self._batches.lingers = self._handed >= _LINGER_FROM
        if not self._batches.add(send):
            return False
        self._count(send, 1)
        return True

    def _taken_back(self, sends: list[Send]) -> None:
        """Records that have waited for room in their partition, whose topic is gone."""
        for send in sends:
            self._count(send, -1)
        self._unpark(sends)

    async def _hand_over(self, send: Send) -> None:
        if send.alone:
            await self._idle.wait()  # so that nothing else can be in its batch
        self._count(send, 1)
        try:
            acknowledged = await taken(self._current(), send)
        except KafkaError as error:
            self._count(send, -1)
            self._failed(send, error)
            return
        acknowledged.add_done_callback(send.ended)
        if send.alone:
            await asyncio.wait([acknowledged])

    def _may_go(self, send: Send) -> bool:
        refused, until_s = self._refused.get(send.topic, (0, 0.0))
        if refused and send.size >= refused and time.monotonic() < until_s:
            self._settle()
            send.fail(TooLarge(send.topic, send.size))
            return False
        # A topic that the producer does not know is asked for by a task of its own (parked): the producer would wait for it,
        # with all other records behind it.
        known = self._batches is not None and self._batches.partitions_of(send.topic) is not None
        if known and send.topic not in self.parked:
            return True
        self.parked.add(send)
        return False

    def _is_over(self, send: Send) -> None:
        """A record was acknowledged or refused. Those of a batch are so all at once, and are settled together."""
        self._over.append(send)
        if len(self._over) == 1:
            asyncio.get_running_loop().call_soon(self._settle_over)

    def _settle_over(self) -> None:
        sends, self._over = self._over, []
        for send in sends:
            self._count(send, -1)
            if send.error is not None:
                self._failed(send, send.error)
                continue
            self._in_flight -= 1
            if not send.told.done():
                send.told.set_result(send.metadata)
        self._moved()

    def _count(self, send: Send, more: int) -> None:
        self._handed += more
        if send.lasting:
            self.parked.count(send.topic, more)
        if not self._handed:
            self._idle.set()
        elif self._handed == more:
            self._idle.clear()

    def _settle(self) -> None:
        """Note that a send is over."""
        self._in_flight -= 1
        self._moved()

    def _moved(self) -> None:
        self._moved_s = time.monotonic()
        if self._in_flight <= self._high_water:
            self._below.set()
        if not self._in_flight:
            self._drained.set()

    def _failed(self, send: Send, error: BaseException) -> None:
        """Send a lasting record again where that can help; otherwise end the process.

        Whoever waits for the send is told first: an ack queue ends the process too, and can name the record that led to the
        send.
        """
        send.again()
        if send.lasting and isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            self._too_large(send)
        elif send.lasting and isinstance(error, OutOfOrderSequenceNumber):  # Kafka has refused a batch before it
            self._send_anew(send)
        elif send.lasting and isinstance(error, UnknownTopicOrPartitionError):
            self.parked.add(send)
        else:
            self._settle()
            send.fail(error)
            asyncio.get_running_loop().call_soon(failstop.stop, f"send to {send.topic}", error)

    def _too_large(self, send: Send) -> None:
        """Send a refused record again alone, or tell its sender.

        Kafka refuses a whole batch of records for its size: a record that was not alone in it may be small enough.
        """
        if not send.alone and send.size < self._batch_bytes:
            send.alone = self._smaller = True
            self._send_anew(send)
            return
        now_s = time.monotonic()
        refused, until_s = self._refused.get(send.topic, (0, 0.0))
        self._refused[send.topic] = (min(refused, send.size) if now_s < until_s else send.size, now_s + _REFUSED_S)
        log.warning("record_too_large", topic=send.topic, bytes=send.size)
        self._renew = True
        self._wake.set()
        self._settle()
        send.fail(TooLarge(send.topic, send.size))

    def _send_anew(self, send: Send) -> None:
        self._again.append(send)
        self._renew = True
        self._wake.set()

    async def _begin_anew(self) -> None:
        """Go on with a new producer.

        The sequence numbers of a refused batch are used up, and Kafka takes nothing more in that partition from an idempotent
        producer with a gap in its numbers.
        """
        await self._idle.wait()
        self._renew = False
        if self._smaller:
            self._batch_bytes, self._smaller = max(_LEAST_BATCH_BYTES, self._batch_bytes // 2), False
        await self._current().stop()
        self._producer = self._batches = None
        while self._producer is None:
            try:
                await self._connect()
            except KafkaConnectionError as error:
                log.warning("producer_not_connected", said=str(error))
                await asyncio.sleep(_RECONNECT_S)
        again, self._again = sorted(self._again, key=lambda send: send.number), []
        self._waiting.extendleft(reversed(again))

    def _current(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("the outbox was not started")
        return self._producer

    async def _is_there(self, topic: str) -> bool:
        """Whether brokers say that the topic has partitions that can be written to."""
        if self._producer is None:
            return False  # a new producer is being connected
        client = self._producer.client
        await client.add_topic(topic)
        await client.force_metadata_update()
        return bool(client.cluster.available_partitions_for_topic(topic))

    def _unpark(self, sends: list[Send]) -> None:
        self._waiting.extendleft(reversed(sends))
        self._wake.set()
