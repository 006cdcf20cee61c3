"""What this process knows of its jobs that is not in the log. It outlives revocations: a claim is called upon once."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agents.accounts.pauses import subject_of
from domain.auditing import ShadowReply
from domain.comparison import Member
from domain.job import Job
from domain.next_step import Here
from providers.protocol import Ask
from tables.view import PartitionView


@dataclass(slots=True)
class LocalClaim:
    """The claim that this process has sent for a job. Seconds are those of the running clock, which goes on in a suspend."""

    sent_s: float | None = None
    record: "asyncio.Future[Any] | None" = None  # its send; the offset that it gets is the claim's name
    called: bool = False  # the create request that it allows has gone out, or is about to

    def sent(self, now_s: float, record: "asyncio.Future[Any]") -> None:
        """It is on its way; `now_s` was read before it was sent."""
        self.sent_s, self.record = now_s, record

    def age_s(self, now_s: float) -> float | None:
        """Seconds since it was sent; None if it never was."""
        return None if self.sent_s is None else now_s - self.sent_s

    def call_upon(self, now_s: float, holds_s: float) -> bool:
        """Whether the create request may go out now. True once, unless the provider says that it has made nothing."""
        if self.sent_s is None or self.called or now_s - self.sent_s >= holds_s:
            return False
        self.called = True
        return True

    def made_nothing(self) -> None:
        """The provider has said that the call made no batch: the claim is as it was before."""
        self.called = False


@dataclass(slots=True)
class RowsRead:
    """What has come of an ended batch, over all reads of it."""

    begun: bool = field(default=False, init=False)
    seen: set[int] = field(default_factory=set, init=False)  # lines whose rows have been sent as Outcomes
    answered: int = field(default=0, init=False)  # comparisons in them
    retryable: int = field(default=0, init=False)  # those that are to be asked again
    unknown_ids: int = field(default=0, init=False)  # rows that are none of the job's own, by the read that showed most
    doubled_ids: int = field(default=0, init=False)  # rows of a line that had one in the same read, likewise
    short_reads: int = field(default=0, init=False)  # reads that brought less than the provider counts
    short_since_ms: int = field(default=0, init=False)  # the first of them

    def begin(self) -> None:
        """The batch has ended, and its rows are being read."""
        self.begun = True

    def came(self, ended: int, open_again: int) -> None:
        """Comparisons whose rows have been sent as Outcomes: ended, and to be asked again."""
        self.answered += ended
        self.retryable += open_again

    def note(self, number: int) -> bool:
        """A row of this line has come; False when one had come before."""
        if number in self.seen:
            return False
        self.seen.add(number)
        return True

    def more_unknown(self, unknown: int) -> int:
        """How many rows more than in the reads before are none of the job's own."""
        more = max(0, unknown - self.unknown_ids)
        self.unknown_ids += more
        return more

    def more_doubled(self, doubled: int) -> int:
        """How many more rows than in the reads before are second ones of their line."""
        more = max(0, doubled - self.doubled_ids)
        self.doubled_ids += more
        return more

    def was_short(self, now_ms: int) -> int:
        """A read has brought less than the provider counts; returns since when (ms) that is so."""
        self.short_reads += 1
        self.short_since_ms = self.short_since_ms or now_ms
        return self.short_since_ms


@dataclass(slots=True)
class Search:
    """What looking for a job of unknown fate has shown."""

    looks: int = 0
    owners: dict[str, str] = field(default_factory=dict)  # of ended batches that might have been it: batch → job id
    empty_scans_ms: list[int] = field(default_factory=list)  # when complete scans began that did not show it


@dataclass(slots=True)
class ShadowsOfJob:
    """What has come of a job's shadows, by their numbers. asks: those of calls, made while their prompts can be read."""

    told: bool = field(default=False, init=False)  # its Audited has been sent
    replies: dict[int, ShadowReply] = field(default_factory=dict, init=False)  # of a batch
    asks: list[tuple[int, Ask]] | None = field(default=None, init=False)
    delivered: set[Member] = field(default_factory=set, init=False)  # members that calls have brought an answer for


@dataclass(slots=True)
class Attempt:
    """One job in this process. `about` holds the fields by which log events name it."""

    partition: int
    job_id: str
    provider: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    claim: LocalClaim = field(default_factory=LocalClaim, init=False)
    rows: RowsRead = field(default_factory=RowsRead, init=False)
    search: Search = field(default_factory=Search, init=False)
    shadows: ShadowsOfJob = field(default_factory=ShadowsOfJob, init=False)
    provider_job_id: str | None = field(default=None, init=False)
    submission_sent: bool = field(default=False, init=False)  # its Submitted has been sent
    over: bool = field(default=False, init=False)  # its JobEnded has been sent, or none is needed
    named_claim: int | None = field(default=None, init=False)  # the claim that its JobEnded named
    calls_begun: bool = field(default=False, init=False)
    held: bool = field(default=False, init=False)  # reported as of unknown fate
    polls: int = field(default=0, init=False)
    first_poll_s: float = field(default=0.0, init=False)  # when the first one is due
    rows_done: int = field(default=0, init=False)  # at the provider by the last poll, where it tells
    cancelled: bool = field(default=False, init=False)  # at the provider, by this process
    task: "asyncio.Task[Any] | None" = field(default=None, init=False)  # the step under way
    alive_s: float | None = field(default=None, init=False)  # its latest sign of life; None: it may take as long as it likes

    def __post_init__(self) -> None:
        self.about = self.about or {"partition": self.partition, "job_id": self.job_id}

    def hold(self) -> bool:
        """It is reported as held; False when it is already."""
        before, self.held = self.held, True
        return not before

    # -- steps -----------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a step is under way."""
        return self.task is not None

    def begin(self, task: "asyncio.Task[Any]", now_s: float) -> None:
        """A step has begun."""
        self.task, self.alive_s = task, now_s

    def stepped(self) -> None:
        """The step is over."""
        self.task = None

    def lives(self, now_s: float) -> None:
        """The step under way gives a sign of life."""
        self.alive_s = now_s

    def takes_its_time(self) -> None:
        """What the step waits for has time limits of its own."""
        self.alive_s = None

    # -- what was said of the job in the log -----------------------------------------------------------------------

    def submitted(self, provider_job_id: str) -> None:
        """Its Submitted is sent."""
        self.submission_sent, self.provider_job_id = True, provider_job_id

    def ended(self, claim_offset: int | None) -> None:
        """Its JobEnded is sent, naming this claim."""
        self.over, self.named_claim = True, claim_offset

    def is_over(self, job: Job) -> bool:
        """Whether its JobEnded has been sent and counts: one that names a claim which came second is ignored."""
        return self.over and (job.claim is None or self.named_claim in (None, job.claim.offset))

    def here(self, job: Job, worker_run: str, now_s: float, *, has_key: bool) -> Here:
        """What the next step depends on beside the job's facts."""
        return Here(
            worker_run=worker_run,
            has_key=has_key,
            under_way=self.busy or self.is_over(job) or (self.submission_sent and job.submission is None),
            claim_age_s=self.claim.age_s(now_s),
            called=self.claim.called,
        )

    # -- at the provider -------------------------------------------------------------------------------------------

    def poll_begins(self, provider_job_id: str) -> None:
        """It is looked at once more."""
        self.polls += 1
        self.provider_job_id = provider_job_id

    def puts_off_first_poll(self, now_s: float, early_s: float) -> bool:
        """Note that the first poll is due in so many seconds; False when that is known already.

        A job is looked at for its Submitted and for the step that sent it: without this two series of polls would go on.
        """
        if self.first_poll_s > now_s:
            return False
        self.first_poll_s = now_s + early_s
        return True

    def runs(self, rows_done: int) -> None:
        """The provider works on it, and has done so many rows."""
        self.held, self.rows_done = False, rows_done

    def was_cancelled(self) -> None:
        """It is cancelled there: from here on it is looked at often."""
        self.cancelled, self.polls = True, 1

    def runs_on(self) -> bool:
        """Whether a batch of it may be at work at the provider, whose rows nobody has begun to read."""
        return self.provider_job_id is not None and not self.rows.begun and not self.cancelled


class OpenJob(NamedTuple):
    """A job that owns an open member: the view of its partition, its facts, and what this process knows of it."""

    view: PartitionView
    job: Job
    attempt: Attempt

    @property
    def account(self) -> str:
        """Whose job it is."""
        return self.job.plan.provider

    @property
    def subject(self) -> str:
        """What is sent, by a name that stays the same when it is planned again."""
        return subject_of(self.view.partition, self.job.plan.lines[0][0])
