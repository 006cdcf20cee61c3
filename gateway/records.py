"""Records on their way into the request topic, and what happens to them while Kafka is away.

A record is given to aiokafka's producer, which keeps at most two batches for each partition. While these are full, the record
waits outside the producer, as part of its post, and is dropped when the post's time is over. So memory is bounded by the posts
that are held and by the batches, however long Kafka is away.

A record that is in a batch cannot be withdrawn. Its post may be answered 503, and Kafka may get the record all the same.
The client then sends the same body again, and the worker answers it once.
"""

import asyncio
import time

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)

from gateway.metrics import Metrics
from settings.kafka import KafkaSettings
from streams.kafka import producers
from streams.kafka.sends import TooLarge

log = structlog.get_logger("gateway")

#: What a broker takes by default (max.message.bytes), with Kafka's framing; the value alone may have less (MAX_RECORD_BYTES).
RECORD_BYTES = 1_048_588
_BATCH_BYTES, _LEAST_BATCH_BYTES = 256 * 1024, 16 * 1024
# How long one request to a broker may take. A broker that has gone without a word is noticed after this time, so a record whose
# post is held for 50 s is sent three times.
_REQUEST_MS = 15_000
_AGAIN_S = 0.5
_REFUSED_S = 60.0  # how long a refused size is remembered: the topic's limit may be raised meanwhile
_STOP_S = 2.0


class Records:
    """Sends records to one topic, and waits until Kafka's replicas have them."""

    def __init__(self, kafka: KafkaSettings, topic: str, metrics: Metrics) -> None:
        self._kafka, self._topic, self._metrics = kafka, topic, metrics
        self._producer: AIOKafkaProducer | None = None
        self._batch_bytes = _BATCH_BYTES
        self._refused_bytes, self._refused_until_s = 0, 0.0  # the size that the topic has refused, and until when that counts
        self._renewing: asyncio.Task[None] | None = None
        self._retired: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaConnectionError where no broker answers."""
        self._producer = await self._connected()

    async def _connected(self) -> AIOKafkaProducer:
        producer = await producers.started(
            self._kafka,
            linger_ms=0,
            batch_bytes=self._batch_bytes,
            record_bytes=RECORD_BYTES,
            request_timeout_ms=_REQUEST_MS,
        )
        await producer.client.add_topic(self._topic)
        return producer

    async def acknowledged(self, key: bytes, value: bytes) -> None:
        """Return once Kafka has acknowledged the record; that may take for ever, so the caller sets a limit.

        Raises TooLarge where the topic does not take it. After any other error it is sent again, perhaps twice.
        """
        size = len(key) + len(value)
        if size >= self._refused_bytes and time.monotonic() < self._refused_until_s:
            raise TooLarge(self._topic, size)
        while True:
            producer = self._current()
            try:
                acknowledged = await producer.send(self._topic, value, key=key)
            except MessageSizeTooLargeError:
                raise TooLarge(self._topic, size) from None
            except KafkaTimeoutError:  # the partition's batch was full for as long as a request may take
                continue
            except UnknownTopicOrPartitionError:  # somebody has deleted it, and may make it again
                await asyncio.sleep(_AGAIN_S)
                continue
            except KafkaError as error:
                await self._renew(producer, repr(error))
                continue
            try:
                await acknowledged
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                await self._too_large(producer, size)
            except KafkaError as error:
                await self._renew(producer, repr(error))
            else:
                return

    async def _too_large(self, producer: AIOKafkaProducer, size: int) -> None:
        """Send in smaller batches from now on, or raise TooLarge.

        Kafka refuses a whole batch for its size: a record that was not alone in it may be small enough.
        """
        alone = size >= self._batch_bytes or self._batch_bytes == _LEAST_BATCH_BYTES
        if alone:
            self._refused_bytes, self._refused_until_s = size, time.monotonic() + _REFUSED_S
        elif producer is self._producer:
            self._batch_bytes = max(_LEAST_BATCH_BYTES, self._batch_bytes // 2)
        await self._renew(producer, "a batch of records was too large")
        if alone:
            raise TooLarge(self._topic, size)

    async def _renew(self, failed: AIOKafkaProducer, said: str) -> None:
        """Go on with a new producer; whoever asks for it first makes it, for all.

        After an error an idempotent producer gets nothing more into that partition, for its sequence numbers have a gap. It is
        closed when it has sent what it still has for other partitions.
        """
        if self._producer is not failed:
            return
        if self._renewing is None:
            log.warning("producer_failed", said=said)
            self._renewing = asyncio.create_task(self._renewed(failed))
        # The post that waits may give up; the others need the producer.
        await asyncio.shield(self._renewing)

    async def _renewed(self, failed: AIOKafkaProducer) -> None:
        producer: AIOKafkaProducer | None = None
        while producer is None:
            await asyncio.sleep(_AGAIN_S)
            try:
                producer = await self._connected()
            except KafkaError as error:
                log.warning("producer_not_connected", said=repr(error))
        self._producer, self._renewing = producer, None
        self._metrics.renewed.inc()
        closing = asyncio.create_task(failed.stop())
        self._retired.add(closing)
        closing.add_done_callback(self._retired.discard)

    def _current(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("not started")
        return self._producer

    async def answers(self, limit_s: float) -> bool:
        """Whether Kafka answers now, and a leader is known for each partition of the topic."""
        client = self._current().client
        try:
            async with asyncio.timeout(limit_s):
                updated = await client.force_metadata_update()
        except TimeoutError:
            return False
        there = client.cluster.partitions_for_topic(self._topic)
        return bool(updated and there and client.cluster.available_partitions_for_topic(self._topic) == there)

    async def stop(self) -> None:
        """Disconnect. What Kafka has not acknowledged soon is given up: its posts have been answered 503."""
        if self._renewing is not None:
            self._renewing.cancel()
        ends = [*self._retired, *([] if self._producer is None else [asyncio.create_task(self._producer.stop())])]
        if ends:
            await asyncio.wait(ends, timeout=_STOP_S)
