"""Reading a submitted batch: polled until it has ended, cancelled when its deadline is near, fetched whole."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from agents.asks import line_of, outcomes_of
from agents.circuits import Circuits, subject_of
from agents.finding import Finding
from agents.job_records import JobRecords
from agents.metrics import Metrics
from agents.runs import Run
from domain.job import Job, Submission
from domain.outcome import Outcome
from domain.reconciling import JobEnd
from domain.reply import Cause, ErrorCode
from providers.accounts import Account
from providers.protocol import JobNotVisible, JobPhase, JobStatus, ProviderError
from streams import crashpoints, work
from streams.clock import Clock
from streams.settings import Settings
from tables.view import PartitionView

log = structlog.get_logger("reading")
# In one record: settling in chunks is what makes a job cheap, but a chunk is handled in one turn of the event loop. 200 take it
# 20 ms, and a round elsewhere needs many of them.
_OUTCOMES_AT_ONCE = 50


class Reading:
    """Methods return the seconds until the next look, None when a record leads on."""

    def __init__(
        self,
        settings: Settings,
        accounts: Mapping[str, Account],
        records: JobRecords,
        finding: Finding,
        metrics: Metrics,
        clock: Clock,
        circuits: Circuits,
    ) -> None:
        self._settings, self._accounts, self._records, self._circuits = settings, accounts, records, circuits
        self._finding, self._metrics, self._clock = finding, metrics, clock
        self._turn = asyncio.Lock()

    def delay_s(self, job: Job, run: Run) -> float:
        """The wait before the next look; not beyond the moment at which the job is to be escalated."""
        block = self._settings.provider(job.plan.provider)
        wait_s = block.polls.wait_s(run.polls)
        escalate_at_ms = job.plan.escalate_at_ms
        if escalate_at_ms is None or run.cancel_sent:
            return wait_s
        return min(wait_s, max(0.05, (escalate_at_ms - self._clock.now_ms()) / 1000))

    async def poll(self, view: PartitionView, job: Job, run: Run) -> float | None:
        """Look once; when the batch has ended, read it."""
        submission = job.submission
        if submission is None:
            return None
        run.polls += 1
        run.provider_job_id = submission.provider_job_id
        provider = self._accounts[job.plan.provider].provider
        try:
            await self._cancel_when_late(job, run, submission)
            status = await provider.look(submission.provider_job_id)
            if status.phase is JobPhase.RUNNING:
                run.held, run.rows_done = False, status.answered
                return self.delay_s(job, run)
            crashpoints.point("after_poll", view.partition)
            if status.phase is JobPhase.FAILED:
                return await self._failed(job, run, status)
            return await self._fetch(view, job, run, submission, status)
        except JobNotVisible as error:
            self._finding.hold(job, run, str(error))
        except ProviderError as error:
            log.warning("poll_failed", **run.about, said=str(error))
        return self.delay_s(job, run)

    async def _cancel_when_late(self, job: Job, run: Run, submission: Submission) -> None:
        """Cancel a batch whose deadline is near. It is read when it has ended, so that nothing it did is paid again."""
        if run.cancel_sent or not self._is_late(job):
            return
        await self._accounts[job.plan.provider].provider.cancel(submission.provider_job_id)
        run.cancel_sent = True
        run.polls = 1  # looked at often from here on
        log.warning("job_escalated", **run.about, provider_job_id=submission.provider_job_id)
        crashpoints.point("after_cancel", run.partition)

    def _is_late(self, job: Job) -> bool:
        escalate_at_ms = job.plan.escalate_at_ms
        return escalate_at_ms is not None and self._clock.now_ms() >= escalate_at_ms

    async def _failed(self, job: Job, run: Run, status: JobStatus) -> float | None:
        self._count_end(job, "failed")
        message = f"the provider's validation failed: {status.failure or status.detail}"
        if status.failure_is_account:
            return await self._records.end(job, run, JobEnd.REFUSED_ACCOUNT, message, ErrorCode.QUOTA_EXCEEDED)
        return await self._records.end(job, run, JobEnd.REFUSED_CONTENT, message)

    async def _fetch(self, view: PartitionView, job: Job, run: Run, submission: Submission, status: JobStatus) -> float | None:
        """Send all rows as Outcomes; JobEnded follows when they are acknowledged, or it would plan answered members again."""
        run.read = True
        chunk: list[Outcome] = []
        answered = retryable = unknown = 0
        seen: set[int] = set()
        completed_ms = self._clock.now_ms()
        async for reply in self._accounts[job.plan.provider].provider.replies(submission.provider_job_id):
            number = line_of(job, reply)
            if number is None:
                unknown += 1
                continue
            if number in seen:
                continue
            seen.add(number)
            came = outcomes_of(
                view,
                job,
                number,
                reply,
                completed_ms=completed_ms,
                response_time_ms=completed_ms - submission.append_ms,
                metrics=self._metrics,
            )
            answered += sum(outcome.terminal for outcome in came)
            retryable += sum(not outcome.terminal for outcome in came)
            chunk += came
            self._note_quota(view, job, came)
            crashpoints.point("during_fetch", view.partition)
            if len(chunk) >= _OUTCOMES_AT_ONCE:
                await self._settle_some(view, job, chunk)
                run.alive_s = self._clock.running_s()
                chunk = []
        if chunk:
            await self._settle(view, job, chunk)
        crashpoints.point("after_outcomes_sent", view.partition)
        if unknown:
            self._metrics.unknown_custom_ids(job.plan.provider, unknown)
            log.warning("unknown_custom_ids", **run.about, rows=unknown)
        self._count_end(job, status.detail or "ended")
        log.info(
            "job_read",
            **run.about,
            answered=answered,
            retryable=retryable,
            missing_lines=len(job.plan.lines) - len(seen),
        )
        reason = JobEnd.ESCALATED if self._is_late(job) else JobEnd.READ
        return await self._records.end(job, run, reason, answered=answered, retryable=retryable)

    def _note_quota(self, view: PartitionView, job: Job, came: list[Outcome]) -> None:
        """Pause the account when a row says that its money has run out while the batch ran."""
        retry = came[0].retry
        if retry is not None and retry.cause is Cause.REFUSED_ACCOUNT and retry.code is ErrorCode.QUOTA_EXCEEDED:
            self._circuits.row_refused(job.plan.provider, subject_of(view.partition, came[0].member), retry.code, retry.message)

    def _settle(self, view: PartitionView, job: Job, chunk: list[Outcome]) -> "asyncio.Future[Any]":
        return self._records.send(view.partition, work.Outcomes(job_id=job.job_id, outcomes=tuple(chunk)))

    async def _settle_some(self, view: PartitionView, job: Job, chunk: list[Outcome]) -> None:
        """Settle a part of a large job, and rest as long as its acknowledgement took: the longer, the busier the worker is.

        One part of one job at a time. Sent as fast as they are read, 10,000 outcomes kept all else waiting for 5 s.
        """
        async with self._turn:
            began_s = self._clock.running_s()
            await self._settle(view, job, chunk)
            await asyncio.sleep(self._clock.running_s() - began_s)

    async def abandon(self, provider: str, run: Run) -> None:
        """Cancel a batch none of whose members is open any more: what it has not done yet need not be paid."""
        if run.provider_job_id is None or run.read or run.cancel_sent:
            return
        run.cancel_sent = True
        try:
            await self._accounts[provider].provider.cancel(run.provider_job_id)
        except ProviderError as error:
            log.warning("job_not_cancelled", **run.about, said=str(error))
        else:
            log.info("job_cancelled", **run.about, provider_job_id=run.provider_job_id)

    def _count_end(self, job: Job, status: str) -> None:
        if job.submission is not None:
            duration_s = (self._clock.now_ms() - job.submission.append_ms) / 1000
            self._metrics.job_ended(job.plan.provider, job.plan.model, status, duration_s)
