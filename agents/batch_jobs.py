"""The steps of a batch job at its provider: claim, create, poll, fetch, find. Each ends with records to the work topic."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from agents.asks import Asks, outcome_of
from agents.inflight import InflightBytes
from agents.metrics import Metrics
from agents.runs import Run
from domain.comparison import Member
from domain.job import Job
from domain.outcome import Outcome
from domain.polling import AbsenceRule, poll_delay_s
from domain.reconciling import JobEnd
from domain.reply import ErrorCode, Reply
from providers.accounts import Account
from providers.protocol import (
    AccountRefused,
    Ask,
    ContentRefused,
    JobNotVisible,
    JobPhase,
    JobStatus,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    StartRefused,
    Throttled,
)
from streams import crashpoints, work
from streams.clock import Clock
from streams.outbox import Outbox
from streams.settings import Settings
from tables.view import PartitionView

log = structlog.get_logger("batch_jobs")
_OUTCOMES_AT_ONCE = 200  # about 120 KB a record; settling in chunks is what makes a large job cheap


class BatchJobs:
    """Every method returns the seconds after which the job is to be looked at again, or None when a record will tell."""

    def __init__(
        self,
        settings: Settings,
        accounts: Mapping[str, Account],
        asks: Asks,
        outbox: Outbox,
        metrics: Metrics,
        clock: Clock,
        absence: AbsenceRule,
        worker_run: str,
    ) -> None:
        self._settings, self._accounts, self._asks, self._outbox = settings, accounts, asks, outbox
        self._metrics, self._clock, self._absence, self._worker_run = metrics, clock, absence, worker_run
        self._inflight = InflightBytes(settings.max_inflight_bytes)

    def claim(self, view: PartitionView, job: Job, run: Run) -> None:
        """Ask for the right to submit. The clock is read before the send: the claim must run out here first."""
        run.claim_sent_s = self._clock.running_s()
        run.claim = self._send(
            view,
            work.SubmitClaimed(
                job_id=job.job_id,
                worker_run=self._worker_run,
                start_within_s=self._settings.start_within_s,
                key_hash=self._accounts[job.plan.provider].provider.key_hash,
            ),
        )
        crashpoints.point("after_claim_sent", view.partition)

    def relinquish(self, run: Run) -> None:
        """Give back a claim that was not called upon and will not be: its partition is going, or the worker stops.

        Whoever reads the claim next could not tell it from one whose call is of unknown outcome.
        """
        if run.task is None:
            self._give_up_claim(run)

    def _give_up_claim(self, run: Run) -> None:
        if run.claim is None or run.called or run.over:
            return
        run.over = True
        run.claim.add_done_callback(lambda claimed: self._given_back(run, claimed))

    def _given_back(self, run: Run, claimed: "asyncio.Future[Any]") -> None:
        if claimed.cancelled():
            return
        run.named_claim = claimed.result().offset
        ended = work.JobEnded(
            job_id=run.job_id,
            claim_offset=run.named_claim,
            reason=JobEnd.NOT_STARTED,
            message="the claim was given back before the create call",
        )
        self._outbox.send(self._settings.work_topic, work.encode(ended), partition=run.partition)
        log.info("claim_given_back", partition=run.partition, job_id=run.job_id)

    def hold_without_account(self, view: PartitionView, job: Job, run: Run) -> float:
        """A job of a provider whose key has gone since: it waits for the key, or for its deadline."""
        return self._hold(view, job, run, f"provider {job.plan.provider} has no key in this worker")

    async def create(self, view: PartitionView, job: Job, run: Run) -> float | None:
        """Create the batch, once."""
        if view.dead:  # a prompt can be read only while the partition is here
            self._give_up_claim(run)
            return None
        provider = self._accounts[job.plan.provider].provider
        lines = self._asks.open_lines(view, job)
        asks, unusable = self._asks.build(view, job, lines, self._clock.now_ms())
        if unusable:
            await self._send(view, work.Outcomes(job_id=job.job_id, outcomes=tuple(unusable)))
        if not asks:
            return None
        try:
            async with self._inflight.hold(sum(_size(ask) for ask in asks)):
                provider_job_id = await provider.create(
                    job.job_id,
                    asks,
                    start=lambda: self._may_start(view, job, run),
                    timeout_s=self._settings.create_timeout_s,
                )
        except StartRefused as error:
            self._metrics.claim_lost(job.plan.provider)
            return await self.end(view, job, run, JobEnd.STARTED_LATE, str(error))
        except OutcomeUnknown as error:
            log.warning("job_fate_unknown", partition=view.partition, job_id=job.job_id, said=str(error))
            return self._find_delay_s(job, run)
        except ProviderError as error:
            reason, code = _refusal(error)
            return await self.end(view, job, run, reason, str(error), code)
        crashpoints.point("after_create", view.partition)
        now_ms = self._clock.now_ms()
        for number in lines:
            for member in job.plan.lines[number]:
                pending = view.state.pending.get(member)
                if pending is not None and job.plan.attempt == 1:
                    self._metrics.waited(job.plan.provider, job.plan.mode, (now_ms - pending.arrived_ms) / 1000)
        self._metrics.job_submitted(job.plan.provider, job.plan.model, len(asks))
        log.info(
            "job_submitted",
            partition=view.partition,
            job_id=job.job_id,
            provider_job_id=provider_job_id,
            comparisons=len(asks),
            attempt=job.plan.attempt,
        )
        run.submission_sent = True
        await self._send(view, work.Submitted(job_id=job.job_id, provider_job_id=provider_job_id))
        return None

    def _may_start(self, view: PartitionView, job: Job, run: Run) -> bool:
        """Asked directly before the create request, after any upload: the claim must still hold on our own clock."""
        crashpoints.point("before_claim_check", view.partition)
        if job.claim is None or run.claim_sent_s is None or run.called:
            return False
        if self._clock.running_s() - run.claim_sent_s >= job.claim.start_within_s:
            return False
        run.called = True
        crashpoints.point("before_create", view.partition)
        return True

    async def give_back(self, view: PartitionView, job: Job, run: Run) -> float | None:
        """The claim ran out before it was called upon."""
        self._metrics.claim_lost(job.plan.provider)
        return await self.end(view, job, run, JobEnd.NOT_STARTED, "the claim ran out before the create call")

    async def find(self, view: PartitionView, job: Job, run: Run) -> float | None:
        """Look for a claimed job that may have been created: adopt it, or conclude that it is certainly absent."""
        provider = self._accounts[job.plan.provider].provider
        claim = job.claim
        if claim is None:
            return None
        if not provider.can_find:
            return self._hold(view, job, run, "its provider cannot show it before it has ended")
        run.finds += 1
        started_ms = self._clock.now_ms()
        try:
            sighting = await provider.find(job.job_id, claim.append_ms)
        except ProviderError as error:  # "could not read" is never "absent"
            log.warning("job_list_unreadable", partition=view.partition, job_id=job.job_id, said=str(error))
            return self._find_delay_s(job, run)
        if sighting.provider_job_id is not None:
            self._metrics.job_adopted(job.plan.provider)
            log.info("job_adopted", partition=view.partition, job_id=job.job_id, provider_job_id=sighting.provider_job_id)
            run.submission_sent = True
            adopted = work.Submitted(job_id=job.job_id, provider_job_id=sighting.provider_job_id, adopted=True)
            await self._send(view, adopted)
            return None
        run.empty_scans_ms.append(started_ms)
        if self._absence.certainly_absent(claim, tuple(run.empty_scans_ms)):
            if provider.key_hash != claim.key_hash:
                return self._hold(view, job, run, "only the key that claimed it can say that it is absent")
            self._metrics.job_absent(job.plan.provider)
            return await self.end(view, job, run, JobEnd.ABSENT, "two scans of the provider's list do not show it")
        return self._find_delay_s(job, run)

    def _find_delay_s(self, job: Job, run: Run) -> float:
        block = self._settings.provider(job.plan.provider)
        return poll_delay_s(run.finds, first_s=block.poll_first_s, factor=block.poll_factor, max_s=block.poll_max_s)

    def _hold(self, view: PartitionView, job: Job, run: Run, why: str) -> float:
        if not run.held:
            run.held = True
            self._metrics.job_held(job.plan.provider)
            log.error("job_held", partition=view.partition, job_id=job.job_id, why=why)
        return self._settings.provider(job.plan.provider).poll_max_s

    def poll_delay_s(self, job: Job, run: Run) -> float:
        """The wait before the next look."""
        block = self._settings.provider(job.plan.provider)
        return poll_delay_s(run.polls, first_s=block.poll_first_s, factor=block.poll_factor, max_s=block.poll_max_s)

    async def poll(self, view: PartitionView, job: Job, run: Run) -> float | None:
        """Look at a submitted batch once; when it has ended, read it."""
        submission = job.submission
        if submission is None:
            return None
        run.polls += 1
        provider = self._accounts[job.plan.provider].provider
        try:
            status = await provider.look(submission.provider_job_id)
            if status.phase is JobPhase.RUNNING:
                run.held = False
                return self.poll_delay_s(job, run)
            crashpoints.point("after_poll", view.partition)
            if status.phase is JobPhase.FAILED:
                return await self._failed(view, job, run, status)
            return await self._fetch(view, job, run, status)
        except JobNotVisible as error:
            self._hold(view, job, run, str(error))
        except ProviderError as error:
            log.warning("poll_failed", partition=view.partition, job_id=job.job_id, said=str(error))
        return self.poll_delay_s(job, run)

    async def _failed(self, view: PartitionView, job: Job, run: Run, status: JobStatus) -> float | None:
        self._job_ended(job, "failed")
        message = f"the provider's validation failed: {status.failure or status.detail}"
        if status.failure_is_account:
            return await self.end(view, job, run, JobEnd.REFUSED_ACCOUNT, message, ErrorCode.QUOTA_EXCEEDED)
        return await self.end(view, job, run, JobEnd.REFUSED_CONTENT, message)

    async def _fetch(self, view: PartitionView, job: Job, run: Run, status: JobStatus) -> float | None:
        """Send all rows as Outcomes; JobEnded follows when they are acknowledged, or it would plan answered members again."""
        submission = job.submission
        if submission is None:
            return None
        open_members = set(view.state.owned(job.job_id))
        sends: list[asyncio.Future[Any]] = []
        chunk: list[Outcome] = []
        answered = retryable = unknown = 0
        seen: set[Member] = set()
        completed_ms = self._clock.now_ms()
        async for reply in self._accounts[job.plan.provider].provider.replies(submission.provider_job_id):
            member = member_of(job, reply)
            if member is None:
                unknown += 1
                continue
            if member in seen:
                continue
            seen.add(member)
            outcome = outcome_of(
                job,
                member,
                reply,
                completed_ms=completed_ms,
                response_time_ms=completed_ms - submission.append_ms,
                metrics=self._metrics,
            )
            answered += outcome.terminal
            retryable += not outcome.terminal
            chunk.append(outcome)
            crashpoints.point("during_fetch", view.partition)
            if len(chunk) >= _OUTCOMES_AT_ONCE:
                sends.append(self._send(view, work.Outcomes(job_id=job.job_id, outcomes=tuple(chunk))))
                chunk = []
        if chunk:
            sends.append(self._send(view, work.Outcomes(job_id=job.job_id, outcomes=tuple(chunk))))
        await asyncio.gather(*sends)
        crashpoints.point("after_outcomes_sent", view.partition)
        if unknown:
            log.warning("unknown_custom_ids", partition=view.partition, job_id=job.job_id, rows=unknown)
        self._job_ended(job, status.detail or "ended")
        log.info(
            "job_read",
            partition=view.partition,
            job_id=job.job_id,
            answered=answered,
            retryable=retryable,
            missing=len(open_members - seen),
        )
        return await self.end(view, job, run, JobEnd.READ, answered=answered, retryable=retryable)

    def _job_ended(self, job: Job, status: str) -> None:
        if job.submission is not None:
            duration_s = (self._clock.now_ms() - job.submission.append_ms) / 1000
            self._metrics.job_ended(job.plan.provider, job.plan.model, status, duration_s)

    async def end(
        self,
        view: PartitionView,
        job: Job,
        run: Run,
        reason: JobEnd,
        message: str = "",
        code: ErrorCode | None = None,
        *,
        answered: int = 0,
        retryable: int = 0,
    ) -> float | None:
        """Send JobEnded, naming the claim that is known. None: its reading leads on."""
        run.over, run.named_claim = True, job.claim.offset if job.claim else None
        if reason is not JobEnd.READ:
            log.warning(
                "job_not_done", partition=view.partition, job_id=job.job_id, reason=reason.value, message=message, code=code
            )
        await self._send(
            view,
            work.JobEnded(
                job_id=job.job_id,
                claim_offset=run.named_claim,
                reason=reason,
                message=message,
                code=code,
                answered=answered,
                retryable=retryable,
            ),
        )
        return None

    def _send(self, view: PartitionView, record: work.WorkRecord) -> "asyncio.Future[Any]":
        return self._outbox.send(self._settings.work_topic, work.encode(record), partition=view.partition)


def member_of(job: Job, reply: Reply) -> Member | None:
    """The member behind a custom id by the job's line, never derived again; None for an id that is none of this job's."""
    job_id, _, number = reply.custom_id.rpartition("-")
    if job_id != job.job_id or not number.isdecimal() or int(number) >= len(job.plan.lines):
        return None
    return job.plan.lines[int(number)][0]


def _refusal(error: ProviderError) -> tuple[JobEnd, ErrorCode]:
    match error:
        case ContentRefused():
            return JobEnd.REFUSED_CONTENT, ErrorCode.INVALID_REQUEST
        case AccountRefused():
            return JobEnd.REFUSED_ACCOUNT, ErrorCode(error.code)
        case Throttled():
            return JobEnd.REFUSED_ACCOUNT, ErrorCode.RATE_LIMIT
        case ProviderDown() | JobNotVisible():
            return JobEnd.REFUSED_ACCOUNT, ErrorCode.EXTERNAL_SERVICE_ERROR
        case _:
            raise error


def _size(ask: Ask) -> int:
    return len(ask.system) + sum(len(block.text) for block in ask.blocks)
