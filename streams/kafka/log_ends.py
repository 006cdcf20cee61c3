"""Where topics begin and end, asked by a client of our own.

Faust's consumer lives in a thread that answers only between two fetches, so that each question takes up to the fetch timeout of
1 s (measured: 6 s for four questions one after another).
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from settings.kafka import KafkaSettings
from streams.kafka import security


class LogEnds:
    """Asks for the first and the next offset of partitions."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._client: AIOKafkaConsumer | None = None
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        """Connect."""
        self._client = security.consumer(self._kafka, auto_offset_reset="earliest")
        await self._client.start()

    async def of(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        """(topic, partition) → (offset of its first record, offset after the last that can be read now)."""
        if self._client is None:
            raise RuntimeError("not started")
        wanted = [TopicPartition(topic, partition) for topic, partition in places]
        first = await self._client.beginning_offsets(wanted)
        after = await self._client.end_offsets(wanted)
        return {(tp.topic, tp.partition): (first[tp], after[tp]) for tp in wanted}

    async def first_kept(self, topic: str, partition: int) -> int:
        """The offset of the first record that retention has left."""
        return (await self.of([(topic, partition)]))[topic, partition][0]

    async def written(self, topic: str, partition: int) -> int:
        """The offset after the last record of the log, those of open transactions included."""
        place = TopicPartition(topic, partition)
        async with security.consumer(self._kafka, isolation_level="read_uncommitted") as client:
            return int((await client.end_offsets([place]))[place])

    async def first_record(self, topic: str, partition: int, first: int, after: int) -> int | None:
        """The offset of the first record in [first, after), or None where none can be read there.

        Transaction markers, records of aborted transactions, and what compaction or retention has removed cannot be read.
        """
        found = await self._first(topic, partition, first, after)
        return None if found is None else int(found.offset)

    async def record(self, topic: str, partition: int, offset: int) -> Any:
        """The record at this offset as aiokafka gives it; None where there is none (any more).

        None also behind an open transaction: a record there cannot be read before the transaction ends, which may take hours.
        """
        if offset >= (await self.of([(topic, partition)]))[topic, partition][1]:
            return None
        return await self._first(topic, partition, offset, offset + 1)

    async def _first(self, topic: str, partition: int, first: int, after: int) -> Any:
        if self._client is None:
            raise RuntimeError("not started")
        place = TopicPartition(topic, partition)
        async with self._reading:
            self._client.assign([place])
            self._client.seek(place, first)
            while await self._client.position(place) < after:
                found = (await self._client.getmany(place, timeout_ms=500, max_records=1)).get(place)
                if found:
                    return found[0] if found[0].offset < after else None
            return None

    async def stop(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.stop()
