"""Reading a submitted batch: polled until it has ended, cancelled when its deadline is near, fetched whole."""

import asyncio
from typing import Any

import structlog

from agents.accounts.pauses import subject_of
from agents.jobs.attempt import Attempt, OpenJob
from agents.jobs.find_lost import FindLost
from agents.jobs.lost_results import LostResults
from agents.jobs.outcomes import line_of, outcomes_of
from agents.jobs.shadow_replies import reply_of, shadow_of
from agents.jobs.tools import JobTools
from agents.records.work_log import MOST_A_RECORD
from domain.job import Job, Submission
from domain.outcome import Outcome
from domain.reconciling import JobEnd
from domain.reply import Cause, ErrorCode, Reply
from domain.results import AfterRead, after_read, give_up_at_ms
from providers.protocol import FailedBy, JobNotVisible, JobPhase, JobStatus, ProviderError, ResultsNotWhole
from streams import crashpoints
from streams.wire import work
from tables.view import PartitionView

log = structlog.get_logger("read_results")
# Short reads until a job is reported as held: the first few may be over within seconds.
_SHORT_READS_TO_HOLD = 5
_FAILED_BY = {
    FailedBy.CONTENT: (JobEnd.REFUSED_CONTENT, ErrorCode.INVALID_REQUEST),
    FailedBy.ACCOUNT: (JobEnd.REFUSED_ACCOUNT, ErrorCode.QUOTA_EXCEEDED),
    FailedBy.PROVIDER: (JobEnd.REFUSED_ACCOUNT, ErrorCode.EXTERNAL_SERVICE_ERROR),
}


class ReadResults:
    """Methods return the seconds until the next look, None when a record was sent: reading it back brings the job up again."""

    def __init__(self, tools: JobTools, find_lost: FindLost) -> None:
        self._settings, self._accounts, self._records = tools.settings, tools.accounts, tools.records
        self._pauses, self._prices, self._metrics, self._clock = tools.pauses, tools.prices, tools.metrics, tools.clock
        self._find_lost = find_lost
        self._lost = LostResults(tools.settings, tools.prices, tools.metrics)
        self._turn = asyncio.Lock()

    def delay_s(self, this: OpenJob) -> float:
        """The wait before the next look; not beyond the moment at which the job is to be escalated."""
        job, attempt = this.job, this.attempt
        wait_s = self._settings.polls(job.plan.provider).wait_s(attempt.polls)
        escalate_at_ms, now_ms = job.plan.escalate_at_ms, self._clock.now_ms()
        if escalate_at_ms is None or attempt.cancelled or now_ms >= escalate_at_ms:
            return wait_s
        return min(wait_s, max(0.05, (escalate_at_ms - now_ms) / 1000))

    async def poll(self, this: OpenJob) -> float | None:
        """Look once; when the batch has ended, read it."""
        view, job, attempt = this
        submission = job.submission
        if submission is None:
            return None
        attempt.poll_begins(submission.provider_job_id)
        try:
            status = await self._look(this, submission)
            if status.phase is JobPhase.RUNNING:
                attempt.runs(status.answered)
                return self.delay_s(this)
            crashpoints.point("after_poll", view.partition)
            if status.phase is JobPhase.FAILED:
                return await self._failed(this, status)
            return await self._fetch(this, submission, status)
        except JobNotVisible as error:
            self._find_lost.hold(this, str(error))
        except ProviderError as error:
            log.warning("poll_failed", **attempt.about, said=str(error))
        return self.delay_s(this)

    async def _look(self, this: OpenJob, submission: Submission) -> JobStatus:
        """Look at a batch; cancel it when it still runs and its deadline is near.

        It is read when it has ended, so that nothing it did is paid again.
        """
        job, attempt = this.job, this.attempt
        provider = self._accounts[job.plan.provider].provider
        status = await provider.look(submission.provider_job_id)
        if status.phase is not JobPhase.RUNNING or attempt.cancelled or not self._is_late(job):
            return status
        await provider.cancel(submission.provider_job_id)
        attempt.was_cancelled()
        log.warning("job_escalated", **attempt.about, provider_job_id=submission.provider_job_id)
        crashpoints.point("after_cancel", attempt.partition)
        return await provider.look(submission.provider_job_id)

    def _is_late(self, job: Job) -> bool:
        escalate_at_ms = job.plan.escalate_at_ms
        return escalate_at_ms is not None and self._clock.now_ms() >= escalate_at_ms

    async def _failed(self, this: OpenJob, status: JobStatus) -> float | None:
        self._count_end(this, status, "failed")
        message = f"the provider's validation failed: {status.failure or status.detail}"
        reason, code = _FAILED_BY[status.failed_by]
        return await self._records.end(this, reason, message, code)

    async def _fetch(self, this: OpenJob, submission: Submission, status: JobStatus) -> float | None:
        """Send all rows as Outcomes. Where they leave members open, JobEnded follows when they are acknowledged.

        Sent before, it would plan answered members again. What came is used at once, also when more must come: then JobEnded
        waits, and the batch is read again.
        """
        view, job, attempt = this
        attempt.rows.begin()
        failed: ProviderError | None = None
        chunk: list[Outcome] = []
        unknown, doubled, of_this_read = 0, 0, set[int]()
        provider = self._accounts[job.plan.provider].provider
        completed_ms = self._clock.now_ms()
        try:
            async for reply in provider.replies(submission.provider_job_id):
                number = line_of(job, reply)
                if number is None:
                    unknown += not self._is_shadow(this, reply)
                    continue
                if number in of_this_read:  # the first one counts: the second may be another line's
                    doubled += 1
                    continue
                of_this_read.add(number)
                if len(chunk) >= MOST_A_RECORD:  # not yet with its last row: what came of shadows goes before the last outcomes
                    await self._settle_some(view, job, chunk)
                    attempt.lives(self._clock.running_s())
                    chunk = []
                if not attempt.rows.note(number):
                    continue
                provider.learn(job.plan.model, reply)
                came = outcomes_of(
                    view,
                    job,
                    number,
                    reply,
                    completed_ms=completed_ms,
                    response_time_ms=completed_ms - submission.append_ms,
                    prices=self._prices,
                    metrics=self._metrics,
                )
                ended = sum(outcome.terminal for outcome in came)
                attempt.rows.came(ended, len(came) - ended)
                chunk += came
                self._note_quota(view, job, came)
                crashpoints.point("during_fetch", view.partition)
        except ProviderError as error:
            failed = error
        if failed is None or not self._missing(this):
            self._tell_shadows(this, completed_ms)  # the last outcomes may end the job, and then nobody reads its batch again
        if chunk:
            await self._settle(view, job, chunk)
        crashpoints.point("after_outcomes_sent", view.partition)
        self._count_odd(this, unknown, doubled)
        if failed is not None and (missing := self._missing(this)):
            if not isinstance(failed, ResultsNotWhole):
                raise failed  # it could not be read to the end, which says nothing of what is there
            return await self._not_whole(this, status, missing, failed)
        return await self._end_read(this, status, JobEnd.ESCALATED if self._is_late(job) else JobEnd.READ)

    def _is_shadow(self, this: OpenJob, reply: Reply) -> bool:
        """Note the row of a shadow; False for a row that is of none. Of two rows of one the first counts."""
        job, shadows = this.job, this.attempt.shadows
        number = shadow_of(job, reply)
        if number is None:
            return False
        if number not in shadows.replies:
            shadows.replies[number] = reply_of(job.plan, number, reply, self._prices, self._metrics)
        return True

    def _tell_shadows(self, this: OpenJob, now_ms: int) -> None:
        job, attempt = this.job, this.attempt
        went = job.claim is None or job.claim.shadows
        otherwise = "no_row" if went else "left_out"
        self._records.audited(attempt, job, attempt.shadows.replies, now_ms, otherwise=otherwise)

    async def _end_read(self, this: OpenJob, status: JobStatus, reason: JobEnd, message: str = "") -> float | None:
        job, attempt = this.job, this.attempt
        self._count_end(this, status, status.detail or "ended")
        missing = len(job.plan.lines) - len(attempt.rows.seen)
        log.info(
            "job_read", **attempt.about, answered=attempt.rows.answered, retryable=attempt.rows.retryable, missing_lines=missing
        )
        if attempt.rows.answered == job.plan.size:
            self._records.all_ended(this)
            return None
        return await self._records.end(this, reason, message, answered=attempt.rows.answered, retryable=attempt.rows.retryable)

    def _count_odd(self, this: OpenJob, unknown: int, doubled: int) -> None:
        job, attempt = this.job, this.attempt
        if more := attempt.rows.more_unknown(unknown):
            self._metrics.unknown_custom_ids(job.plan.provider, more)
            log.warning("unknown_custom_ids", **attempt.about, rows=unknown)
        if more := attempt.rows.more_doubled(doubled):
            self._metrics.doubled_custom_ids(job.plan.provider, more)
            log.warning("doubled_custom_ids", **attempt.about, rows=doubled)

    @staticmethod
    def _missing(this: OpenJob) -> list[int]:
        """The lines with an open member of which nothing has been read, here or by a process before this one."""
        view, job, attempt = this
        open_ones = set(view.state.owned(job.job_id)).difference(view.state.retries_of(job.job_id))
        return [
            number
            for number, line in enumerate(job.plan.lines)
            if number not in attempt.rows.seen and not open_ones.isdisjoint(line)
        ]

    async def _not_whole(self, this: OpenJob, status: JobStatus, missing: list[int], why: ResultsNotWhole) -> float | None:
        """Rows that the provider counts did not come: they were paid, and are read again for as long as the deadline allows."""
        view, job, attempt = this
        now_ms = self._clock.now_ms()
        since_ms = attempt.rows.was_short(now_ms)
        if after_read(job.plan, since_ms=since_ms, now_ms=now_ms) is AfterRead.LOST:
            booked = self._lost.booked(this, missing, why, now_ms)
            self._tell_shadows(this, now_ms)
            for start in range(0, len(booked), MOST_A_RECORD):
                await self._settle_some(view, job, booked[start : start + MOST_A_RECORD])
                attempt.lives(self._clock.running_s())
            return await self._end_read(this, status, JobEnd.ESCALATED, f"its results are lost: {why}")
        self._metrics.short_read(job.plan.provider)
        reads = attempt.rows.short_reads
        log.warning("results_not_whole", **attempt.about, missing_lines=len(missing), reads=reads, why=str(why))
        wait_s = self._settings.polls(job.plan.provider).wait_s(reads - 1)
        if reads >= _SHORT_READS_TO_HOLD:
            self._find_lost.hold(this, str(why))
        return min(wait_s, max(0.05, (give_up_at_ms(job.plan, since_ms) - now_ms) / 1000))

    def _note_quota(self, view: PartitionView, job: Job, came: list[Outcome]) -> None:
        """Pause the account when a row says that its money has run out while the batch ran."""
        retry = came[0].retry
        if retry is not None and retry.cause is Cause.REFUSED_ACCOUNT and retry.code is ErrorCode.QUOTA_EXCEEDED:
            self._pauses.row_refused(job.plan.provider, subject_of(view.partition, came[0].member), retry.code, retry.message)

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

    async def cancel_closed(self, attempt: Attempt) -> None:
        """Cancel a batch none of whose members is open any more: what it has not done yet need not be paid."""
        if attempt.provider_job_id is None or not attempt.runs_on():
            return
        attempt.was_cancelled()
        try:
            await self._accounts[attempt.provider].provider.cancel(attempt.provider_job_id)
        except ProviderError as error:
            log.warning("job_not_cancelled", **attempt.about, said=str(error))
        else:
            log.info("job_cancelled", **attempt.about, provider_job_id=attempt.provider_job_id)

    def _count_end(self, this: OpenJob, status: JobStatus, word: str) -> None:
        job = this.job
        if job.submission is not None:
            duration_s = (self._clock.now_ms() - job.submission.append_ms) / 1000
            self._metrics.job_ended(job.plan.provider, job.plan.model, word, duration_s)
        if not status.cost_known:
            self._metrics.paid.untold(job.plan.provider, len(job.plan.members))
            log.warning("batch_cost_unknown", **this.attempt.about, status=word, comparisons=len(job.plan.members))
