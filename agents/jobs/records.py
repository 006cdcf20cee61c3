"""What the dispatcher says of a job in the work topic."""

import asyncio
from typing import Any

import structlog

from agents.jobs.attempt import Attempt, OpenJob
from agents.records.work_log import WorkLog
from domain.reconciling import JobEnd
from domain.reply import ErrorCode
from streams.wire import work

log = structlog.get_logger("job_records")


class JobRecords:
    """Sends records of jobs to their partition."""

    def __init__(self, work_log: WorkLog) -> None:
        self._work_log = work_log

    def send(self, partition: int, record: work.WorkRecord) -> "asyncio.Future[Any]":
        """Send one record; done when it is acknowledged."""
        return self._work_log.send(partition, record)

    async def submitted(self, attempt: Attempt, provider_job_id: str, *, adopted: bool = False) -> None:
        """Send Submitted. None: its reading leads on."""
        attempt.submitted(provider_job_id)
        record = work.Submitted(job_id=attempt.job_id, provider_job_id=provider_job_id, adopted=adopted)
        await self.send(attempt.partition, record)

    @staticmethod
    def all_ended(this: OpenJob) -> None:
        """End a job of whose every member a terminal outcome is acknowledged. Nothing is sent: JobEnded would be ignored."""
        this.attempt.ended(this.job.claim.offset if this.job.claim is not None else None)

    async def end(
        self,
        this: OpenJob,
        reason: JobEnd,
        message: str = "",
        code: ErrorCode | None = None,
        *,
        answered: int = 0,
        retryable: int = 0,
    ) -> float | None:
        """Send JobEnded, naming the claim that is known. None: its reading leads on."""
        job, attempt = this.job, this.attempt
        attempt.ended(job.claim.offset if job.claim is not None else None)
        if reason is not JobEnd.READ:
            log.warning("job_not_done", **attempt.about, reason=reason.value, message=message, code=code)
        record = work.JobEnded(
            job_id=job.job_id,
            claim_offset=attempt.named_claim,
            reason=reason,
            message=message,
            code=code,
            answered=answered,
            retryable=retryable,
        )
        await self.send(attempt.partition, record)
        return None
