"""Whether a topic is the one that the tables tell of, or another of its name.

Tables know records by their offsets. A topic that was deleted and made again begins at offset 0, and what it brings would be
taken for what was answered long ago: no event, no dead letter, no line in the log. (Kafka forgets the group's offsets with the
topic, so that it is read from its beginning.) So before anything of a partition is handled the log is asked: does it reach as
far as what the tables tell of, and has the latest of those records, if it is still there, the append time that they remember?
"""

import asyncio
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from streams import failstop
from streams.offsets import LogEnds
from streams.settings import Settings
from tables.faults import OtherLog
from tables.view import PartitionView, Reading

log = structlog.get_logger("same_log")

# A leader that has just been elected may for a moment not know how far its log reaches.
_LOOKS = 10
_LOOK_S = 1.0


class SameLog:
    """Asked when a view has been built, and again where something looks odd."""

    def __init__(self, settings: Settings, log_ends: LogEnds) -> None:
        self._settings, self._log_ends = settings, log_ends
        self._asking: dict[int, asyncio.Future[Any]] = {}

    async def check(self, view: PartitionView) -> None:
        """Raises OtherLog."""
        for topic, reading in ((self._settings.request_topic, view.inbound), (self._settings.work_topic, view.work)):
            await self._check(topic, view.partition, reading)

    async def _check(self, topic: str, partition: int, reading: Reading) -> None:
        known = max(reading.known, reading.next)
        first, after = await self._ends(topic, partition, known)
        if after < known:
            raise OtherLog(topic, partition, f"it ends before offset {after}, and records before offset {known} have been read")
        if reading.witness is None or reading.witness[0] < first:
            return  # retention has taken what could tell, and with it every offset that the tables know
        offset, remembered_ms = reading.witness
        found_ms = await self._log_ends.append_ms(topic, partition, offset)
        if found_ms is not None and found_ms != remembered_ms:
            raise OtherLog.stamped(topic, partition, offset, found_ms=found_ms, known_ms=remembered_ms)

    async def _ends(self, topic: str, partition: int, known: int) -> tuple[int, int]:
        for look in range(_LOOKS):
            ends = (await self._log_ends.of([(topic, partition)]))[topic, partition]
            if ends[1] >= known:
                break
            log.warning("log_ends_early", topic=topic, partition=partition, end=ends[1], known=known, look=look)
            await asyncio.sleep(_LOOK_S)
        return ends

    def suspect(self, view: PartitionView) -> None:
        """Something looks odd: ask the log, once at a time."""
        if view.partition in self._asking:
            return
        asking = asyncio.ensure_future(self._ask(view))
        self._asking[view.partition] = failstop.watch(asking, "same log")
        asking.add_done_callback(lambda _: self._asking.pop(view.partition, None))

    async def _ask(self, view: PartitionView) -> None:
        try:
            await self.check(view)
        except KafkaError as error:
            log.warning("log_not_asked", partition=view.partition, said=repr(error))
