"""What one partition knows: open windows, open jobs, known ids. Rebuilt from the tables at assignment.

It is built by applying facts in the order of the log (the `learn_…` methods); decisions read it and leave it as it is. Every
fact carries its offset, so that the decision on work offset k can be given a state that holds only facts of records before k.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from domain.closing import Progress, Window
from domain.comparison import Member
from domain.cutting import Pending, encoded_bytes
from domain.job import Claim, Job, Plan, Submission, make_job_id
from domain.outcome import Ending
from domain.partition.job_stages import JobStages
from domain.partition.payments import Payments
from domain.partition.round_tallies import RoundTallies
from domain.reply import Retry
from domain.rounds import Arrival, RoundEntry, Standing


@dataclass(frozen=True, slots=True)
class Known:
    """A correlation id that was seen: where it came first, and with what content."""

    member: Member
    content_sha256: str


class PartitionState:
    """One partition's open work. Memory: for the dedup retention an int for each inbound record and an entry for each id."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.ids: dict[str, Known] = {}
        self.pending: dict[Member, Pending] = {}
        self.windows: dict[tuple[str, str], Window] = {}
        self.progress: dict[str, Progress] = {}
        self.jobs: dict[str, Job] = {}
        self.owner: dict[Member, str] = {}
        self.retries: dict[Member, tuple[str, Retry]] = {}
        self.pending_bytes = 0
        self.payments = Payments()
        self.pending_counts: Counter[tuple[str, str]] = Counter()  # by (provider, strategy)
        self.stages = JobStages()
        self.rounds = RoundTallies()
        self.finished: set[int] = set()  # inbound offsets whose members have all ended: their `requests` entry may go
        self._owned: dict[str, int] = {}
        self._ended: dict[int, int] = {}  # inbound offset -> bit per ended position
        self._waiting: dict[int, set[int]] = {}  # inbound offset -> positions without an outcome
        self._deadlines: list[tuple[int, Member]] = []
        self._remembered: deque[tuple[int, int, tuple[RoundEntry, ...]]] = deque()  # append time, offset, in log order

    # -- inbound facts -------------------------------------------------------------------------------------------

    def learn_record(self, offset: int, entries: Iterable[RoundEntry], seen_ms: int) -> set[tuple[str, str]]:
        """Apply what one inbound record brought; returns the windows that it is gathered in.

        `seen_ms` is the reader's clock, from which quiet and age count.
        """
        gathered: set[tuple[str, str]] = set()
        waiting = self._waiting.setdefault(offset, set())
        entries = tuple(entries)
        if entries:
            self._remembered.append((entries[0].append_ms, offset, entries))
        complete = {key for key in {entry.round_key for entry in entries} & self.progress.keys() if self.progress[key].complete}
        for entry in entries:
            progress = self.progress.setdefault(entry.round_key, Progress())
            if entry.announced is not None:
                progress.announced = max(progress.announced or 0, entry.announced)
            if entry.parts is not None:
                progress.parts = entry.parts
                progress.parts_seen.add(entry.part)
            for arrival in entry.arrivals:
                if arrival.standing not in (Standing.ACCEPTED, Standing.REJECTED):
                    continue
                member = entry.member(arrival)
                self.ids.setdefault(arrival.correlation_id, Known(member, arrival.content_sha256))
                progress.ids += 1
                progress.late = progress.late or entry.round_key in complete
                if self.has_ended(member):
                    continue
                waiting.add(arrival.position)
                if arrival.standing is Standing.ACCEPTED:
                    gathered.add(self._gather(entry, arrival, member, seen_ms))
        if not waiting:
            del self._waiting[offset]
            self.finished.add(offset)
        return gathered

    def forget(self, before_ms: int) -> None:
        """Forget finished records that were appended before this time (the dedup retention), or memory would grow for ever."""
        self.payments.forget(before_ms)
        while self._remembered and self._remembered[0][0] < before_ms:
            _, offset, entries = self._remembered[0]
            if offset in self._waiting:
                return
            self._remembered.popleft()
            self._ended.pop(offset, None)
            for entry in entries:
                self.progress.pop(entry.round_key, None)
                for arrival in entry.arrivals:
                    known = self.ids.get(arrival.correlation_id)
                    if known is not None and known.member.offset == offset:
                        del self.ids[arrival.correlation_id]

    def _gather(self, entry: RoundEntry, arrival: Arrival, member: Member, seen_ms: int) -> tuple[str, str]:
        pending = Pending(member, entry.round_key, entry.append_ms, arrival)
        self.pending[member] = pending
        self.pending_bytes += encoded_bytes(pending)
        self.pending_counts[arrival.provider, arrival.strategy] += 1
        self.rounds.gather(pending.round_key)
        heapq.heappush(self._deadlines, (arrival.deadline_ms, member))
        key = pending.window_key
        if member in self.owner:
            return key
        window = self.windows.get(key)
        if window is None:
            window = self.windows[key] = Window(*key, seen_ms, seen_ms)
        window.last_ms = seen_ms
        window.add(pending)
        return key

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
            self._owned[job.job_id] = owned
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
            if ending.retry is not None:
                self.retries[ending.member] = (ending.job_id, ending.retry)
            elif not self.has_ended(ending.member):
                self._end(ending.member, ending.code)

    def _end(self, member: Member, code: str) -> None:
        self._ended[member.offset] = self._ended.get(member.offset, 0) | 1 << member.position
        self._leave_window(member)
        pending = self.pending.pop(member, None)
        if pending is not None:
            self.pending_bytes -= encoded_bytes(pending)
            self.pending_counts[pending.resolved.provider, pending.resolved.strategy] -= 1
            self.rounds.end(pending.round_key, code)
        self.retries.pop(member, None)
        self._disown(member)
        waiting = self._waiting.get(member.offset)
        if waiting is not None:
            waiting.discard(member.position)
            if not waiting:
                del self._waiting[member.offset]
                self.finished.add(member.offset)

    def _disown(self, member: Member) -> None:
        job_id = self.owner.pop(member, None)
        if job_id is None:
            return
        self._owned[job_id] -= 1
        if not self._owned[job_id]:
            del self._owned[job_id]
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
        return bool(self._ended.get(member.offset, 0) >> member.position & 1)

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
        job = self.jobs.get(job_id)
        return self._owned.get(job_id, 0) / job.plan.size if job is not None else 0.0

    def retries_of(self, job_id: str) -> dict[Member, Retry]:
        """Why members of this job are still open, as outcomes of the job itself have said."""
        said = {member: self.retries.get(member) for member in self.owned(job_id)}
        return {member: retry[1] for member, retry in said.items() if retry is not None and retry[0] == job_id}

    def job_of(self, plan: Plan, offset: int, append_ms: int, number: int) -> Job:
        """The job that a plan becomes when it is the number-th one that the record at this offset plans."""
        return Job(make_job_id(self.partition, offset, append_ms, number), offset, append_ms, plan)

    def passed_deadlines(self, now_ms: int, most: int) -> tuple[Pending, ...]:
        """Pending members whose deadline has passed, earliest first, at most `most`; each time anew until they have ended."""
        found: list[Pending] = []
        while self._deadlines and self._deadlines[0][0] <= now_ms and len(found) < most:
            _, member = heapq.heappop(self._deadlines)
            pending = self.pending.get(member)
            if pending is not None:
                found.append(pending)
        for pending in found:
            heapq.heappush(self._deadlines, (pending.resolved.deadline_ms, pending.member))
        return tuple(found)

    def oldest_pending_ms(self) -> int | None:
        """The arrival time of the oldest pending comparison."""
        for offset, positions in self._waiting.items():  # in the order of the log, and so of arrival
            for position in positions:
                pending = self.pending.get(Member(offset, position))
                if pending is not None:  # where it is None the member was rejected, and its error event is on the way
                    return pending.arrived_ms
        return None

    def nearest_deadline_ms(self) -> int | None:
        """The earliest deadline of a pending comparison."""
        while self._deadlines and self._deadlines[0][1] not in self.pending:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None
