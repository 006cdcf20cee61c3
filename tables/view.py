"""The view of one partition: its state in memory, and how far the two topics have been read.

Built from the tables at assignment (tables.build); dropped at a rebalance. Where the partition stays with the worker all the
time, the view of the next assignment has the same state (agents.partitions.kept).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from domain.job import Job
from domain.partition.state import PartitionState
from tables.acknowledged import AcknowledgedTable
from tables.in_flight import OnceAcked, SentAhead
from tables.parsed import ParsedRecords

_FOR_EVER_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class Tables:
    """The five tables, the entries of `requests` that are kept decoded, and for how long an id is known."""

    rounds: AcknowledgedTable
    requests: AcknowledgedTable
    jobs: AcknowledgedTable
    outcomes: AcknowledgedTable
    audits: AcknowledgedTable
    parsed: ParsedRecords = field(default_factory=ParsedRecords)
    retention_ms: int = _FOR_EVER_MS

    def __iter__(self) -> Iterator[AcknowledgedTable]:
        return iter((self.rounds, self.requests, self.jobs, self.outcomes, self.audits))


@dataclass(slots=True)
class ReadProgress:
    """How far a topic has been read in this assignment: offsets of the next record, and of the end at the assignment."""

    next: int
    end: int
    acked: int  # all records before this offset are acked
    log_end: int = 0  # where the topic ended when we last asked
    known: int = 0  # the tables tell of records before this offset
    # Offset and append time (ms) of the latest record that the tables tell of, or that was read.
    witness: tuple[int, int] | None = None

    def read(self, offset: int, append_ms: int) -> None:
        """Note that a record has been read."""
        self.next = offset + 1
        self.tell(offset, append_ms)

    def tell(self, offset: int, append_ms: int | None = None) -> None:
        """Note that the tables tell of a record at this offset, and perhaps when it was appended."""
        self.known = max(self.known, offset + 1)
        if append_ms is not None and (self.witness is None or self.witness[0] <= offset):
            self.witness = (offset, append_ms)

    @property
    def at_end(self) -> bool:
        """Whether everything that was there at assignment has been read."""
        return self.next >= self.end

    @property
    def lag(self) -> int:
        """How many records of the log are not acked, as far as its end is known."""
        return max(0, max(self.end, self.log_end) - self.acked)


@dataclass(slots=True)
class PartitionView:
    """One assigned partition."""

    partition: int
    state: PartitionState
    inbound: ReadProgress
    work: ReadProgress
    caught_up: bool = False
    retained: set[int] = field(default_factory=set, init=False)  # inbound offsets with a `requests` entry
    sent_ahead: SentAhead = field(default_factory=SentAhead, init=False)
    once_acked: OnceAcked = field(default_factory=OnceAcked, init=False)
    waits_for_collect: deque[Any] = field(default_factory=deque, init=False)  # work records that wait for collect
    to_cancel: dict[str, Job] = field(default_factory=dict, init=False)  # submitted, no open member left
    cancels: list[Any] = field(default_factory=list, init=False)  # cancellations read before the partition had caught up
    inbound_paused: bool = False
    kept: bool = field(default=False, init=False)  # it goes on with the state of the assignment before
    dead: bool = field(default=False, init=False)

    def kill(self) -> list[Any]:
        """End the view with its assignment. Returns the records that waited here, which must not be acknowledged any more."""
        self.dead = True
        waited = list(self.waits_for_collect)
        self.waits_for_collect.clear()
        return waited

    def go_on(self, inbound: ReadProgress, work: ReadProgress) -> "PartitionView":
        """The view of the next assignment, with this one's state. It is for this worker alone to say whether that holds."""
        view = PartitionView(self.partition, self.state, inbound, work)
        view.kept = True
        view.retained, view.sent_ahead, view.once_acked = self.retained, self.sent_ahead, self.once_acked
        view.to_cancel, view.cancels = self.to_cancel, self.cancels
        for now, before in ((inbound, self.inbound), (work, self.work)):
            now.known, now.witness = before.known, before.witness
        return view

    def has_passed(self, inbound_offset: int) -> bool:
        """Whether collect has read the record at this offset, in this assignment or before it."""
        return inbound_offset < self.inbound.next

    def note_finished(self, work_offset: int) -> None:
        """Take over the inbound records that the state has just seen finished, to be announced when work_offset is acked."""
        for offset in self.state.finished:
            if offset in self.retained:
                self.once_acked.finish(work_offset, offset)
        self.state.finished.clear()

    def announceable(self) -> tuple[int, ...]:
        """The finished inbound offsets whose last outcome and event are acknowledged. Each is returned once."""
        return self.once_acked.finished(self.work.acked)

    def check_caught_up(self, now_ms: int) -> bool:
        """Whether both topics have just been read to their ends. Quiet time and age of open windows count from now on."""
        if self.caught_up or not self.work.at_end or not (self.inbound.at_end or self.inbound_paused):
            return False
        self.caught_up = True
        for window in self.state.windows.values():
            window.first_ms = window.last_ms = now_ms
        return True
