"""Open jobs by provider and stage: how long each has been in its stage, and how old its comparisons are."""

from domain.job import Job
from domain.partition.tally import Tally

PLANNED, CLAIMED, SUBMITTED = "planned", "claimed", "submitted"

Group = tuple[str, str]  # provider, stage


def stage_of(job: Job) -> str:
    """The stage of a job by its facts."""
    if job.submission is not None:
        return SUBMITTED
    return PLANNED if job.claim is None else CLAIMED


def since_ms(job: Job) -> int:
    """When a job came to its stage: the append time of its latest fact."""
    latest = job.submission or job.claim or job
    return latest.append_ms


class JobStages:
    """The stages of a partition's open jobs. The partition's state keeps them up, so they are right after every rebuild.

    entered: jobs by the time of their latest fact. arrived: the same jobs by the arrival of the oldest comparison that they
    were planned with. That time stays until the job is over, even if that comparison has been answered.
    """

    def __init__(self) -> None:
        self.entered: Tally[Group, str] = Tally()
        self.arrived: Tally[Group, str] = Tally()
        self._arrived_ms: dict[str, int] = {}

    def open(self, job: Job, arrived_ms: int) -> None:
        """Note a job that has been planned."""
        self._arrived_ms[job.job_id] = arrived_ms
        self._enter(job)

    def move(self, before: Job, after: Job) -> None:
        """Note a new fact of an open job."""
        self._leave(before)
        self._enter(after)

    def close(self, job: Job) -> None:
        """Note that a job owns no open member any more."""
        self._leave(job)
        del self._arrived_ms[job.job_id]

    def arrived_ms(self, job_id: str) -> int:
        """The arrival of the oldest comparison that an open job was planned with."""
        return self._arrived_ms[job_id]

    def _enter(self, job: Job) -> None:
        group = (job.plan.provider, stage_of(job))
        self.entered.enter(group, job.job_id, since_ms(job))
        self.arrived.enter(group, job.job_id, self._arrived_ms[job.job_id])

    def _leave(self, job: Job) -> None:
        group = (job.plan.provider, stage_of(job))
        self.entered.leave(group, job.job_id)
        self.arrived.leave(group, job.job_id)
