"""The view of one partition: its state in memory, and how far the two topics have been read.

Built from the tables at assignment, in slices; dropped at a rebalance. The tables may be ahead of the offset from which a topic
is read again, so facts at or beyond that offset are left out: the decision on work offset k must see only facts of records
before k.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from domain.job import Claim, Job, Submission
from domain.outcome import ANSWERED
from domain.partition.state import PartitionState
from domain.rounds import RoundEntry
from tables import jobs, outcomes, requests, rounds
from tables.acknowledged import AcknowledgedTable
from tables.in_flight import OnceAcked, SentAhead
from tables.parsed import ParsedRecords

_SLICE = 500  # entries between two turns of the event loop
_BATCH_LIVES_MS = 25 * 3600 * 1000  # at both providers a batch has expired after 24 h


@dataclass(frozen=True, slots=True)
class Tables:
    """The four tables, and the entries of `requests` that are kept decoded."""

    rounds: AcknowledgedTable
    requests: AcknowledgedTable
    jobs: AcknowledgedTable
    outcomes: AcknowledgedTable
    parsed: ParsedRecords = field(default_factory=ParsedRecords)

    def __iter__(self) -> Iterator[AcknowledgedTable]:
        return iter((self.rounds, self.requests, self.jobs, self.outcomes))


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
    dead: bool = field(default=False, init=False)

    def kill(self) -> list[Any]:
        """End the view with its assignment. Returns the records that waited here, which must not be acknowledged any more."""
        self.dead = True
        waited = list(self.waits_for_collect)
        self.waits_for_collect.clear()
        return waited

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


async def build(tables: Tables, partition: int, *, inbound: ReadProgress, work: ReadProgress, now_ms: int) -> PartitionView:
    """Rebuild the view of a partition from its tables.

    `inbound.next` and `work.next` are the offsets that will be read next. After the facts are applied, finished requests that
    still have an entry are found again: where a process was killed before it sent RequestsDone, they would stay for ever.
    """
    state = PartitionState(partition)
    view = PartitionView(partition, state, inbound, work)
    by_offset: dict[int, list[RoundEntry]] = {}
    for count, entry in enumerate(rounds.entries(tables.rounds, partition)):
        inbound.tell(entry.offset, entry.append_ms)
        if entry.offset < inbound.next:
            by_offset.setdefault(entry.offset, []).append(entry)
        await _breathe(count)
    for count, offset in enumerate(requests.offsets(tables.requests, partition)):
        inbound.tell(offset)
        view.retained.add(offset)
        await _breathe(count)
    for count, offset in enumerate(sorted(by_offset)):
        state.learn_record(offset, by_offset[offset], now_ms)
        await _breathe(count)
    await _apply_work_facts(view, tables, before=work.next, now_ms=now_ms)
    view.note_finished(work.next - 1)
    state.rounds.take_ended()  # these were logged when they ended
    return view


async def _apply_work_facts(view: PartitionView, tables: Tables, *, before: int, now_ms: int) -> None:
    state, partition = view.state, view.partition
    facts: list[tuple[int, int, str, jobs.Fact | outcomes.Endings]] = []
    for count, (job_id, fact) in enumerate(jobs.facts(tables.jobs, partition)):
        view.work.tell(fact.offset, fact.append_ms)
        facts.append((fact.offset, 1, job_id, fact))
        await _breathe(count)
    for count, ended in enumerate(outcomes.facts(tables.outcomes, partition)):
        view.work.tell(ended.offset)
        facts.append((ended.offset, 0, "", ended))
        await _breathe(count)
    for count, (_, _, job_id, known) in enumerate(_in_log_order(facts, before)):
        if isinstance(known, Job):
            state.learn_planned(known)
        elif isinstance(known, Claim):
            state.learn_claim(job_id, known)
        elif isinstance(known, Submission):
            state.learn_submission(job_id, known)
        else:
            _learn_endings(view, known, now_ms)
        await _breathe(count)


def _learn_endings(view: PartitionView, known: outcomes.Endings, now_ms: int) -> None:
    """Apply endings. A batch that is left without open members may still run: the process may have died before cancelling."""
    state = view.state
    unanswered = {state.owner.get(one.member, "") for one in known.endings if one.terminal and one.code != ANSWERED}
    left = [state.jobs[job_id] for job_id in unanswered if job_id in state.jobs]
    state.learn_endings(known.endings)
    state.payments.learn(known.paid)
    for job in left:
        submission = job.submission
        if job.job_id not in state.jobs and submission is not None and now_ms - submission.append_ms < _BATCH_LIVES_MS:
            view.to_cancel[job.job_id] = job


def _in_log_order(
    facts: Iterable[tuple[int, int, str, jobs.Fact | outcomes.Endings]], before: int
) -> list[tuple[int, int, str, jobs.Fact | outcomes.Endings]]:
    return sorted((fact for fact in facts if fact[0] < before), key=lambda fact: fact[:3])


async def _breathe(count: int) -> None:
    if count % _SLICE == _SLICE - 1:
        await asyncio.sleep(0)
