"""Whether a topic is the one that the tables tell of, or another of its name.

Tables know records by their offsets. A topic that was deleted and made again begins at offset 0, and what it brings would be
taken for what was answered long ago: no event, no dead letter, no line in the log. (Kafka forgets the group's offsets with the
topic, so that it is read from its beginning.) So before anything of a partition is handled the log is asked: does it reach as
far as what the tables tell of, and has the latest of those records, if it is still there, the append time that they remember?

A changelog is compared in the same way with what a state directory holds of it: restored from one that was made again, the
tables of another worker would lack what only this directory knows.
"""

import asyncio
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from settings.settings import Settings
from streams import failstop
from streams.kafka.log_ends import LogEnds
from tables.acknowledged import AcknowledgedTable
from tables.faults import OtherChangelog, OtherLog, ends_early, other_time
from tables.store import digest
from tables.view import PartitionView, ReadProgress, Tables

log = structlog.get_logger("same_log")

# A leader that has just been elected may not know at once how far its log reaches. TESTING__LOG_LOOK_S lies between two looks.
_LOOKS = 10


class SameLog:
    """Asked when a view has been built, and again where something looks odd."""

    def __init__(self, settings: Settings, tables: Tables, log_ends: LogEnds) -> None:
        self._settings, self._tables, self._log_ends = settings, tables, log_ends
        self._asking: dict[int, asyncio.Future[Any]] = {}
        self._changelogs_asked: set[int] = set()

    async def check(self, view: PartitionView) -> None:
        """Compare the logs of a partition with what the tables know of them. Raises OtherLog and OtherChangelog."""
        partition = view.partition
        if partition not in self._changelogs_asked:  # once in a process: this is about what its start has found on disk
            for table in self._tables:
                await self._check_changelog(table, partition)
            self._changelogs_asked.add(partition)
        for topic, progress in ((self._settings.request_topic, view.inbound), (self._settings.work_topic, view.work)):
            await self._check(topic, partition, progress)

    async def _check(self, topic: str, partition: int, progress: ReadProgress) -> None:
        known = max(progress.known, progress.next)
        first, after = await self._ends(topic, partition, known)
        if after < known:
            raise OtherLog(topic, partition, ends_early(after, known))
        if progress.witness is None or progress.witness[0] < first:
            return  # retention has removed the record to compare, and with it every offset that the tables know
        offset, known_ms = progress.witness
        found = await self._log_ends.record(topic, partition, offset)
        if found is not None and found.timestamp != known_ms:
            raise OtherLog(topic, partition, other_time(offset, found.timestamp, known_ms))

    async def _check_changelog(self, table: AcknowledgedTable, partition: int) -> None:
        topic, kept_in = table.changelog_topic_name, self._settings.state_dir
        known, witness = table.restored(partition)
        first, after = await self._ends(topic, partition, known)
        if after < known:
            raise OtherChangelog(topic, partition, ends_early(after, known), kept_in)
        if witness is None or witness[0] < first:
            return
        found = await self._log_ends.record(topic, partition, witness[0])  # None where compaction has taken it
        if found is not None and digest(found.key, found.value) != witness[1]:
            raise OtherChangelog(topic, partition, f"at offset {witness[0]} it has another record", kept_in)

    async def _ends(self, topic: str, partition: int, known: int) -> tuple[int, int]:
        for look in range(_LOOKS):
            ends = (await self._log_ends.of([(topic, partition)]))[topic, partition]
            if ends[1] >= known:
                break
            # What an earlier version of the worker has read may lie behind the beginning of a transaction that is open now.
            written = await self._log_ends.written(topic, partition)
            if written >= known:
                return ends[0], written
            log.warning("log_ends_early", topic=topic, partition=partition, end=ends[1], known=known, look=look)
            await asyncio.sleep(self._settings.testing.log_look_s)
        return ends

    def suspect(self, view: PartitionView) -> None:
        """Ask the log, because something looks odd; one question at a time for each partition."""
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
