"""Records that are missing between two that came, or at the end of a log: they are read again, if there are any.

A log has gaps of its own (transaction markers, aborted records), and Faust can fail to deliver records around a rebalance. To
tell one from the other, a client of our own reads the log there: otherwise a record that was not delivered would be skipped for
ever. Of records that retention has removed unread, it can only tell how many offsets they had.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from faust.types import TP

from streams import failstop
from streams.kafka.app import RoundbatchApp
from streams.kafka.log_ends import LogEnds
from tables.view import PartitionView

log = structlog.get_logger("missing_records")
_PATIENCE_S = 3.0  # after a seek: beyond it the log is asked again


@dataclass(slots=True)
class _Jump:
    expected: int
    asked_s: float
    ends_at: int | None = None  # what the log said: the next record is at this offset, or later
    under_way: bool = True  # the log has not answered yet: without Kafka it takes long, and more questions would pile up


class MissingRecords:
    """Finds missing records. It remembers the jumps in the offsets that it is looking into, by view and topic."""

    def __init__(self, app: RoundbatchApp, log_ends: LogEnds) -> None:
        self._app, self._log_ends = app, log_ends
        self._open: dict[tuple[int, str], _Jump] = {}
        self._asking: set[asyncio.Future[Any]] = set()
        self._told: dict[tuple[str, int], int] = {}  # records removed unread: up to which offset that has been told
        self.on_removed: Callable[[str, int], None] = lambda topic, offsets: None

    def is_real(self, view: PartitionView, topic: str, expected: int, after: int) -> bool:
        """Whether the log holds no record in [expected, after). While that is unknown: False, and the log is asked."""
        gap = self._open.get((id(view), topic))
        if gap is not None and gap.expected == expected:
            if gap.ends_at is not None and after <= gap.ends_at:
                return True
            if gap.under_way or time.monotonic() - gap.asked_s < _PATIENCE_S:
                return False
        else:
            log.warning("records_missing", topic=topic, partition=view.partition, expected=expected, after=after)
        gap = self._open[id(view), topic] = _Jump(expected, time.monotonic())
        asking = asyncio.ensure_future(self._ask(gap, topic, view, after))
        self._asking.add(failstop.watch(asking, "gap"))
        asking.add_done_callback(self._asking.discard)
        return False

    async def _ask(self, gap: _Jump, topic: str, view: PartitionView, after: int) -> None:
        kept = await self._log_ends.first_kept(topic, view.partition)
        self.removed(topic, view.partition, gap.expected, min(kept, after))
        first = await self._log_ends.first_record(topic, view.partition, gap.expected, after)
        gap.ends_at, gap.asked_s, gap.under_way = after if first is None else first, time.monotonic(), False
        if not view.dead:
            consumer: Any = self._app.consumer
            await consumer.seek_back(TP(topic, view.partition), gap.expected)

    def removed(self, topic: str, partition: int, expected: int, first: int) -> None:
        """Tell once of records from `expected` on that were gone before they were read; `first` is the first one left."""
        begin = max(expected, self._told.get((topic, partition), 0))
        if begin >= first:
            return
        self._told[topic, partition] = first
        log.error("records_removed_unread", topic=topic, partition=partition, expected=begin, first_left=first)
        self.on_removed(topic, first - begin)

    def forget(self) -> None:
        """Forget all jumps: the views are dropped, and Faust seeks by itself."""
        self._open.clear()
