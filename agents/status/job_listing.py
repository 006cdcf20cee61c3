"""The open jobs of this worker as it shows them: at /jobs, and as states in its metrics."""

from collections.abc import Iterable, Mapping

from agents.jobs.attempt import Attempt
from domain.job import Job, Transport
from streams.wire.status.open_jobs import OpenJob, OpenJobs, Partition
from tables.view import PartitionView


def job_state(job: Job, attempt: Attempt | None, worker_run: str) -> str:
    """One of JOB_STATES."""
    if attempt is not None and attempt.held:
        return "held"
    if job.plan.transport is Transport.CALL and attempt is not None and attempt.busy:
        return "calling"
    if job.submission is not None:
        return "submitted"
    if job.claim is None:
        return "planned"
    ours = job.claim.worker_run == worker_run
    return "claimed" if ours and (attempt is None or attempt.busy or not attempt.claim.called) else "unknown"


def listing(views: Iterable[PartitionView], attempts: Mapping[str, Attempt], worker_run: str, now_ms: int) -> OpenJobs:
    """All open jobs, oldest first within a partition: no prompt, no essay, no key."""
    shown = list(views)
    return OpenJobs(
        worker_run,
        now_ms,
        partitions={view.partition: Partition(view.caught_up, len(view.state.pending)) for view in shown},
        jobs=[
            OpenJob(
                job_id=job.job_id,
                partition=view.partition,
                round=job.plan.round_key,
                provider=job.plan.provider,
                model=job.plan.model,
                transport=job.plan.transport,
                state=job_state(job, attempts.get(job.job_id), worker_run),
                lines=len(job.plan.lines),
                members=job.plan.size,
                open_members=view.state.open_count(job.job_id),
                attempt=job.plan.attempt,
                closed_by=job.plan.closed_by,
                age_s=max(0.0, (now_ms - job.append_ms) / 1000),
                not_before_ms=job.plan.not_before_ms or None,
                deadline_ms=job.plan.deadline_ms,
                provider_job_id=job.submission.provider_job_id if job.submission else None,
                adopted=bool(job.submission and job.submission.adopted),
            )
            for view in shown
            for job in sorted(view.state.jobs.values(), key=lambda job: (job.offset, job.job_id))
        ],
    )
