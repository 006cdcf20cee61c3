"""The one producer of the worker: every send gives a future that is done when the broker has acknowledged.

Sending is synchronous, so that a handler can read tables, write and send without an await between.
"""

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from streams import failstop, kafka_security
from streams.broker_watch import BrokerWatch
from streams.settings_kafka import KafkaSettings

MAX_RECORD_BYTES = 4 * 1024 * 1024  # own topics and the producer allow this; inbound records are capped at 1 MiB
# Else 5 min: a client asks only brokers that it knows, and one that came back meanwhile it does not know.
METADATA_MAX_AGE_MS = 30_000
Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class _Send:
    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    headers: Headers | None
    done: "asyncio.Future[Any]"


class Outbox:
    """Sends records in the order given. A failed send ends the process: its record must be read again.

    A send that Kafka does not acknowledge has not failed: it waits until a broker does. What has been paid for is in it.
    """

    def __init__(
        self, kafka: KafkaSettings, *, linger_ms: int, high_water: int = 5_000, request_timeout_ms: int = 40_000
    ) -> None:
        self._kafka = kafka
        self._linger_ms = linger_ms
        self._request_timeout_ms = request_timeout_ms
        self._high_water = high_water
        self._waiting: deque[_Send] = deque()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._below = asyncio.Event()
        self._in_flight = 0
        self._moved_s = 0.0
        self._producer: AIOKafkaProducer | None = None
        self._pump: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaConnectionError when no broker answers."""
        self._producer = kafka_security.producer(
            self._kafka,
            enable_idempotence=True,  # retries neither repeat nor reorder
            linger_ms=self._linger_ms,
            max_batch_size=256 * 1024,
            max_request_size=MAX_RECORD_BYTES,
            request_timeout_ms=self._request_timeout_ms,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )
        # aiokafka fails what has waited for a partition's leader for longer than a request may take; one may be away for hours.
        accumulator: Any = self._producer._message_accumulator
        accumulator._batch_ttl = math.inf
        self._producer.client.cluster.add_listener(BrokerWatch())
        await self._producer.start()
        self._pump = asyncio.create_task(self._run(), name="outbox")
        failstop.watch(self._pump, "outbox")

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> "asyncio.Future[Any]":
        """Queue one record; the future gives aiokafka's RecordMetadata once it is acknowledged."""
        done = asyncio.get_running_loop().create_future()
        if not self._in_flight:
            self._moved_s = time.monotonic()
        self._waiting.append(_Send(topic, value, key, partition, headers, done))
        self._in_flight += 1
        self._drained.clear()
        self._wake.set()
        return done

    def silent_s(self) -> float:
        """For how long nothing has been acknowledged although something was sent; 0 when all is."""
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
        producer = self._producer
        if producer is None:
            raise RuntimeError("the outbox was not started")
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                send = self._waiting.popleft()
                try:
                    acknowledged = await _taken(producer, send)
                except KafkaError as error:
                    self._failed(send, error)
                    return
                acknowledged.add_done_callback(partial(self._acknowledged, send))

    def _acknowledged(self, send: _Send, future: "asyncio.Future[Any]") -> None:
        self._in_flight -= 1
        self._moved_s = time.monotonic()
        if self._in_flight <= self._high_water:
            self._below.set()
        if not self._in_flight:
            self._drained.set()
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._failed(send, error)
            return
        if not send.done.done():
            send.done.set_result(future.result())

    @staticmethod
    def _failed(send: _Send, error: BaseException) -> None:
        """End the process; but first tell whoever waits: a line of acknowledgements stops it too, and names its record."""
        if not send.done.done():
            send.done.set_exception(error)
        asyncio.get_running_loop().call_soon(failstop.stop, f"send to {send.topic}", error)


async def _taken(producer: AIOKafkaProducer, send: _Send) -> "asyncio.Future[Any]":
    """Give a record to the producer, for as long as it has no room: what its partition has not acknowledged fills 256 KiB."""
    while True:
        try:
            acknowledged: asyncio.Future[Any] = await producer.send(
                send.topic, send.value, key=send.key, partition=send.partition, headers=send.headers
            )
        except KafkaTimeoutError:  # it has not taken the record, and says so after a request's time
            continue
        return acknowledged
