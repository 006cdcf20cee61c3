"""What one partition knows of what is pending: open windows, open jobs; and its audits. Rebuilt from the tables at assignment.

It is built by applying facts in the order of the log (the `learn_…` methods); decisions read it and leave it as it is. Every
fact carries its offset, so that the decision on work offset k can be given a state that holds only facts of records before k.
What is done is not in here: the history tells of it (domain.partition.history).
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import UNSET
from msgspec.structs import replace

from domain.auditing import AuditBook
from domain.closing import Window
from domain.comparison import Member
from domain.cutting import Pending, encoded_bytes
from domain.job import Claim, Job, Plan, Submission, make_job_id
from domain.outcome import Ending
from domain.partition.corrections import Corrections
from domain.partition.deadlines import Deadlines
from domain.partition.history import History, RememberedHistory
from domain.partition.job_stages import JobStages
from domain.partition.payments import Payments
from domain.partition.round_progress import RoundProgress
from domain.partition.round_tallies import RoundTallies
from domain.partition.waiting import Waiting
from domain.reply import Retry
from domain.resolved import Resolved
from domain.rounds import COUNTED, Arrival, RoundEntry, Standing


class PartitionState:
    """One partition's open work. Its memory follows what is pending.

    `passed`: the inbound records before this offset have been read. Of these only the ones with a member that is pending are
    to be learned: a member of a record that was passed and not learned has ended.
    """

    def __init__(self, partition: int, history: History | None = None, passed: int = 0) -> None:
        self.partition = partition
        self.history: History = RememberedHistory() if history is None else history
        self.progress = RoundProgress(self.history)
        self.pending: dict[Member, Pending] = {}
        self.suspects: set[Member] = set()  # those of the pending that have an essay which speaks to the judge: few
        self.windows: dict[tuple[str, str], Window] = {}
        self.jobs: dict[str, Job] = {}
        self.owner: dict[Member, str] = {}
        self.retries: dict[Member, tuple[str, Retry]] = {}
        self.pending_bytes = 0
        self.payments = Payments()
        self.corrections = Corrections()
        self.audits = AuditBook()
        self.pending_counts: Counter[tuple[str, str]] = Counter()  # by (provider, strategy)
        self.stages = JobStages()
        self.rounds = RoundTallies()
        self.finished: set[int] = set()  # inbound offsets whose members have all ended: their `requests` entry may go
        self._passed = self._passed_at_first = passed
        self._owned: dict[str, int] = {}
        self._sizes: dict[str, int] = {}  # of open jobs: `Plan.size` goes through all lines, and is asked for often
        self._ended_ahead: dict[int, int] = {}  # inbound offset that is not passed yet -> bit per ended position
        self._waiting = Waiting()
        self._deadlines = Deadlines(self._pending_of)
        self._resolved = Resolved()  # the last one: most comparisons have the same, and share it

    # -- inbound facts -------------------------------------------------------------------------------------------

    def learn_record(self, offset: int, entries: Iterable[RoundEntry], seen_ms: int) -> set[tuple[str, str]]:
        """Apply what one inbound record brought; returns the windows that it is gathered in.

        `seen_ms` is the reader's clock, from which quiet and age count.
        """
        gathered: set[tuple[str, str]] = set()
        deadlines_ms: set[int] = set()
        ended, waiting = self._ended_ahead.pop(offset, 0), 0
        self._passed = max(self._passed, offset + 1)
        by_round: dict[str, list[RoundEntry]] = {}
        for entry in entries:
            by_round.setdefault(entry.round_key, []).append(entry)
        for round_key, of_round in by_round.items():
            # A record that was passed before this state began is in the round's history, with all others that were.
            progress = self.progress.of(round_key, max(offset, self._passed_at_first))
            if offset >= self._passed_at_first:
                progress.learn(entry.brought for entry in of_round)
            for entry in of_round:
                for arrival in entry.arrivals:
                    if arrival.standing not in COUNTED or ended >> arrival.position & 1:
                        continue
                    waiting |= 1 << arrival.position
                    if arrival.standing is Standing.ACCEPTED:
                        deadlines_ms.add(arrival.deadline_ms)
                        gathered.add(self._gather(entry, arrival, seen_ms))
        self.history.note(entry for of_round in by_round.values() for entry in of_round)
        self._waiting.note(offset, waiting)
        self._deadlines.note(offset, deadlines_ms)
        if not waiting:
            self.finished.add(offset)
        return gathered

    def _gather(self, entry: RoundEntry, arrival: Arrival, seen_ms: int) -> tuple[str, str]:
        member, round_key = entry.member(arrival), sys.intern(entry.round_key)
        resolved = self._shared(arrival.resolved)
        pending = Pending(member, round_key, entry.append_ms, resolved, arrival.prompt_bytes, arrival.essays)
        self.pending[member] = pending
        if arrival.suspects is not UNSET:
            self.suspects.add(member)
        self.pending_bytes += encoded_bytes(pending)
        self.pending_counts[resolved.provider, resolved.strategy] += 1
        if self.rounds.gather(round_key):
            self.progress.hold(round_key)
        key = pending.window_key
        if member in self.owner:
            return key
        window = self.windows.get(key)
        if window is None:
            window = self.windows[key] = Window(*key, seen_ms, seen_ms)
        window.last_ms = seen_ms
        window.add(pending)
        return key

    def _shared(self, resolved: Resolved) -> Resolved:
        """An equal object that others have already, or this one, its names shared with them."""
        if resolved != self._resolved:
            of = resolved
            self._resolved = replace(
                of,
                provider=sys.intern(of.provider),
                model=sys.intern(of.model),
                strategy=sys.intern(of.strategy),
                profile=sys.intern(of.profile),
                paying_batch=sys.intern(of.paying_batch),
            )
        return self._resolved

    # -- facts of the work topic ---------------------------------------------------------------------------------

    def learn_planned(self, job: Job) -> None:
        """Apply a planned job: from now on it owns those of its members that have no outcome."""
        owned, arrived_ms = 0, job.append_ms
        for member in job.plan.members:
            if self.has_ended(member):
                continue
            pending = self.pending.get(member)
            if pending is not None and pending.arrived_ms < arrived_ms:
                arrived_ms = pending.arrived_ms
            self._disown(member)
            self.owner[member] = job.job_id
            self._leave_window(member)
            owned += 1
        if owned:
            self.jobs[job.job_id] = job
            self._owned[job.job_id], self._sizes[job.job_id] = owned, job.plan.size
            self.stages.open(job, arrived_ms)

    def learn_claim(self, job_id: str, claim: Claim) -> None:
        """Apply a claim."""
        if job_id in self.jobs:
            self._move(replace(self.jobs[job_id], claim=claim))

    def learn_submission(self, job_id: str, submission: Submission) -> None:
        """Apply a submission."""
        if job_id in self.jobs:
            self._move(replace(self.jobs[job_id], submission=submission))

    def _move(self, job: Job) -> None:
        self.stages.move(self.jobs[job.job_id], job)
        self.jobs[job.job_id] = job

    def learn_endings(self, endings: Iterable[Ending]) -> None:
        """Apply how members have ended, or why they are still open."""
        for ending in endings:
            if self.has_ended(ending.member):
                continue
            if ending.retry is not None:
                self.retries[ending.member] = (ending.job_id, ending.retry)
            else:
                self._end(ending.member, ending.code)

    def _end(self, member: Member, code: str) -> None:
        if member.offset >= self._passed:
            self._ended_ahead[member.offset] = self._ended_ahead.get(member.offset, 0) | 1 << member.position
        self._leave_window(member)
        pending = self.pending.pop(member, None)
        if pending is not None:
            self.suspects.discard(member)
            self.pending_bytes -= encoded_bytes(pending)
            self.pending_counts[pending.resolved.provider, pending.resolved.strategy] -= 1
            if self.rounds.end(pending.round_key, code):
                self.progress.release(pending.round_key)
        self.retries.pop(member, None)
        self._disown(member)
        if self._waiting.end(member):
            self.finished.add(member.offset)
            self._deadlines.shrink(len(self._waiting), self.pending.values())

    def _disown(self, member: Member) -> None:
        job_id = self.owner.pop(member, None)
        if job_id is None:
            return
        self._owned[job_id] -= 1
        if not self._owned[job_id]:
            del self._owned[job_id], self._sizes[job_id]
            job = self.jobs.pop(job_id, None)
            if job is not None:
                self.stages.close(job)

    def _leave_window(self, member: Member) -> None:
        pending = self.pending.get(member)
        if pending is None:
            return
        key = pending.window_key
        window = self.windows.get(key)
        if window is not None:
            window.remove(member)
            if not window.members:
                del self.windows[key]

    # -- what the decisions ask ----------------------------------------------------------------------------------

    def has_ended(self, member: Member) -> bool:
        """Whether the member has a terminal outcome."""
        if member.offset < self._passed:
            return not self._waiting.holds(member)
        return bool(self._ended_ahead.get(member.offset, 0) >> member.position & 1)

    def is_open(self, member: Member) -> bool:
        """Whether the member has neither an outcome nor a job."""
        return not self.has_ended(member) and member not in self.owner

    def owned(self, job_id: str) -> tuple[Member, ...]:
        """The members without an outcome that the job still owns, in line order; empty: the job is not open."""
        job = self.jobs.get(job_id)
        if job is None:
            return ()
        return tuple(member for member in job.plan.members if self.owner.get(member) == job_id)

    def open_count(self, job_id: str) -> int:
        """How many members without an outcome the job still owns."""
        return self._owned.get(job_id, 0)

    def part_open(self, job_id: str) -> float:
        """Which part of a job's members it still owns without an outcome, 0 to 1; 0 when it is not open."""
        return self._owned[job_id] / self._sizes[job_id] if job_id in self.jobs else 0.0

    def retries_of(self, job_id: str) -> dict[Member, Retry]:
        """Why members of this job are still open, as outcomes of the job itself have said."""
        said = {member: self.retries.get(member) for member in self.owned(job_id)}
        return {member: retry[1] for member, retry in said.items() if retry is not None and retry[0] == job_id}

    def job_of(self, plan: Plan, offset: int, append_ms: int, number: int) -> Job:
        """The job that a plan becomes when it is the number-th one that the record at this offset plans."""
        return Job(make_job_id(self.partition, offset, append_ms, number), offset, append_ms, plan)

    def passed_deadlines(self, now_ms: int, most: int) -> tuple[Pending, ...]:
        """Pending members whose deadline has passed, earliest first, at most `most`; each time anew until they have ended."""
        return self._deadlines.passed(now_ms, most)

    def _pending_of(self, offset: int) -> Iterator[Pending]:
        return (self.pending[member] for member in self._waiting.of(offset) if member in self.pending)

    def oldest_pending_ms(self) -> int | None:
        """The arrival time of the oldest pending comparison."""
        for member in self._waiting:  # in the order of the log, and so of arrival
            pending = self.pending.get(member)
            if pending is not None:  # where it is None the member was rejected, and its error event is on the way
                return pending.arrived_ms
        return None

    def nearest_deadline_ms(self) -> int | None:
        """The earliest deadline of a pending comparison."""
        return self._deadlines.nearest_ms()
