"""What the dispatcher says of a job in the work topic."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from agents.jobs.attempt import Attempt, OpenJob
from agents.records.work_log import MOST_A_RECORD, WorkLog
from domain.auditing import ShadowReply
from domain.job import Job
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

    def audited(
        self, attempt: Attempt, job: Job, replies: Mapping[int, ShadowReply], completed_ms: int, *, otherwise: str
    ) -> None:
        """Tell once what came of a job's shadows; `otherwise`: why nothing came of those that have no reply.

        Nothing waits for it to be acknowledged.
        """
        shadows = job.plan.shadows
        if attempt.shadows.told or not shadows:
            return
        attempt.shadows.told = True
        told = [
            replies[number] if number in replies else ShadowReply(one.member, one.form, one.number, cause=otherwise)
            for number, one in enumerate(shadows)
        ]
        for start in range(0, len(told), MOST_A_RECORD):
            part = tuple(told[start : start + MOST_A_RECORD])
            self.send(attempt.partition, work.Audited(job_id=job.job_id, completed_ms=completed_ms, replies=part))

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
        self.audited(attempt, job, {}, 0, otherwise=reason.value)
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
