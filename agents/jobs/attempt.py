"""What this process remembers of the jobs it works on. It outlives revocations: a claim is called upon once."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from domain.job import Job


@dataclass(slots=True)
class Attempt:
    """One job in this process. Times are seconds on the running clock, scans are ms since the epoch."""

    partition: int
    job_id: str
    claim_sent_s: float | None = None
    claim: "asyncio.Future[Any] | None" = None  # the claim's record, whose offset is its name
    called: bool = False  # the create request of its claim has gone out, or is about to
    submission_sent: bool = False  # its Submitted has been sent
    over: bool = False  # its JobEnded has been sent
    named_claim: int | None = None  # the claim that it named
    asked: bool = False  # its calls have been begun here
    polls: int = 0
    first_poll_s: float = 0.0  # when it is due
    seen: set[int] = field(default_factory=set)  # lines of its batch whose rows have been sent as Outcomes
    answered: int = 0  # comparisons in them, and those that are to be asked again
    retryable: int = 0
    unknown_ids: int = 0  # rows of its batch that are none of its own, by the read that showed most
    short_reads: int = 0  # reads of its ended batch that brought less than the provider counts
    short_since_ms: int = 0  # the first of them
    rows_done: int = 0  # at the provider by the last poll, where it tells
    finds: int = 0
    held: bool = False
    provider: str = ""
    provider_job_id: str | None = None
    read: bool = False  # its rows are being read, or have been
    cancel_sent: bool = False  # it has been cancelled at the provider
    about: dict[str, Any] = field(default_factory=dict)  # the fields by which log events name it
    owners: dict[str, str] = field(default_factory=dict)  # of ended batches that might have been it: batch → job id
    empty_scans_ms: list[int] = field(default_factory=list)
    task: "asyncio.Task[Any] | None" = None

    def __post_init__(self) -> None:
        self.about = self.about or {"partition": self.partition, "job_id": self.job_id}

    alive_s: float | None = None  # the latest sign of life of that step; None: it may take as long as it likes

    def is_over(self, job: Job) -> bool:
        """Whether its JobEnded has been sent and counts: one that names a claim which came second is ignored."""
        return self.over and (job.claim is None or self.named_claim in (None, job.claim.offset))
