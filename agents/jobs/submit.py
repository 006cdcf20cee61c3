"""Submitting a batch job: claimed, the claim read back, created once."""

import asyncio
from itertools import chain
from typing import Any

import structlog

from agents.jobs.attempt import Attempt, OpenJob
from agents.jobs.find_lost import FindLost
from agents.jobs.inflight_bytes import InflightBytes
from agents.jobs.tools import JobTools
from domain.admission import AdmissionVerdict, Decision
from domain.cutting import encoded_bytes
from domain.job import Job
from domain.outcome import Outcome
from domain.reconciling import JobEnd
from domain.reply import ErrorCode
from providers.protocol import (
    AccountRefused,
    ContentRefused,
    JobNotVisible,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    StartRefused,
    Throttled,
)
from streams import crashpoints
from streams.wire import work
from tables.view import PartitionView

log = structlog.get_logger("submit")
_COUNTED_A_TURN = 200  # waits counted between two turns of the event loop: about 1 ms


class SubmitJob:
    """Methods return the seconds until the next look, None when a record was sent: reading it back brings the job up again."""

    def __init__(self, tools: JobTools, find_lost: FindLost) -> None:
        self._settings, self._accounts, self._worker_run = tools.settings, tools.accounts, tools.worker_run
        self._prompts, self._records, self._find_lost = tools.prompts, tools.records, find_lost
        self._pauses, self._metrics, self._clock = tools.pauses, tools.metrics, tools.clock
        self._inflight = InflightBytes(tools.settings.max_inflight_bytes)

    def claim(self, this: OpenJob, *, shadows: bool) -> None:
        """Ask for the right to submit, with its shadows or without. The clock is read before the send.

        So the claim runs out here first.
        """
        view, job, attempt = this
        now_s = self._clock.running_s()
        claim = work.SubmitClaimed(
            job_id=job.job_id,
            worker_run=self._worker_run,
            start_within_s=self._settings.testing.start_within_s,
            key_hash=self._accounts[this.account].provider.key_hash,
            shadows=shadows,
        )
        attempt.claim.sent(now_s, self._records.send(view.partition, claim))
        crashpoints.point("after_claim_sent", view.partition)

    def relinquish(self, attempt: Attempt) -> None:
        """Give back a claim that was not called upon and will not be: its partition is going, or the worker stops.

        Whoever reads the claim next could not tell it from one whose call is of unknown outcome.
        """
        if not attempt.busy:
            self._give_up_claim(attempt)

    def _give_up_claim(self, attempt: Attempt) -> None:
        claim = attempt.claim.record
        if claim is None or attempt.claim.called or attempt.over:
            return
        attempt.ended(None)
        claim.add_done_callback(lambda claimed: self._given_back(attempt, claimed))

    def _given_back(self, attempt: Attempt, claimed: "asyncio.Future[Any]") -> None:
        if claimed.cancelled():
            return
        attempt.ended(claimed.result().offset)
        ended = work.JobEnded(
            job_id=attempt.job_id,
            claim_offset=attempt.named_claim,
            reason=JobEnd.NOT_STARTED,
            message="the claim was given back before the create call",
        )
        self._records.send(attempt.partition, ended)
        log.info("claim_given_back", **attempt.about)

    async def create(self, this: OpenJob) -> float | None:
        """Create the batch, once."""
        view, job, attempt = this
        if view.dead:  # a prompt can be read only while the partition is here
            self._give_up_claim(attempt)
            return None
        account, subject = this.account, this.subject
        provider = self._accounts[account].provider
        lines = self._prompts.open_lines(view, job)
        unusable: list[Outcome] = []
        prompts = self._prompts.each(view, job, lines, self._clock.now_ms(), unusable)
        shadows = job.plan.shadows if job.claim is not None and job.claim.shadows else ()
        audits = (ask for _, ask in self._prompts.shadows(view, job)) if shadows else ()
        first = next(prompts, None)
        if first is None:
            self._pauses.told_nothing(account, subject)
            settled = self._settle(view, job, unusable)
            if settled is not None:
                await settled
            return None

        begun = False

        def start() -> bool:
            nonlocal begun
            if begun:
                attempt.claim.made_nothing()
                if view.dead:
                    return False
            else:
                self._settle(view, job, unusable)
            begun = True
            return self._may_start(this)

        try:
            async with self._inflight.hold(_size(view, job)):
                provider_job_id = await provider.create(
                    job.job_id, chain((first,), prompts, audits), start=start, timeout_s=self._settings.testing.create_timeout_s
                )
        except StartRefused as error:
            self._pauses.told_nothing(account, subject)
            if view.dead:
                self._give_up_claim(attempt)
                return None
            self._metrics.claim_lost(job.plan.provider)
            return await self._records.end(this, JobEnd.STARTED_LATE, str(error))
        except OutcomeUnknown as error:
            self._pauses.failed(account, subject, error)
            log.warning("job_fate_unknown", **attempt.about, said=str(error))
            return self._find_lost.delay_s(this)
        except ProviderError as error:
            paused = self._pauses.failed(account, subject, error)
            reason, code = _refusal(error)
            if paused and not isinstance(error, ContentRefused | Throttled):
                reason = JobEnd.ACCOUNT_PAUSED  # planned again without a back-off: the pause is the wait
            return await self._records.end(this, reason, str(error), code)
        crashpoints.point("after_create", view.partition)
        self._pauses.answered(account, subject)
        asked = len(lines) - len({outcome.member for outcome in unusable})
        self._metrics.job_submitted(job.plan.provider, job.plan.model, asked)
        log.info(
            "job_submitted",
            **attempt.about,
            provider_job_id=provider_job_id,
            comparisons=asked,
            attempt=job.plan.attempt,
        )
        if job.plan.attempt == 1:
            await self._count_waits(view, job, lines, self._clock.now_ms())
        # Last: what is still done here when it has been read back would keep the job from its next step, for good.
        await self._records.submitted(attempt, provider_job_id)
        return None

    def _settle(self, view: PartitionView, job: Job, unusable: list[Outcome]) -> "asyncio.Future[Any] | None":
        """Send the ends of members that no prompt can be made of."""
        if not unusable or view.dead:
            return None
        return self._records.send(view.partition, work.Outcomes(job_id=job.job_id, outcomes=tuple(unusable)))

    async def _count_waits(self, view: PartitionView, job: Job, lines: list[int], now_ms: int) -> None:
        for place, number in enumerate(lines):
            for member in job.plan.lines[number]:
                pending = view.state.pending.get(member)
                if pending is not None:
                    self._metrics.waited(job.plan.provider, job.plan.mode, (now_ms - pending.arrived_ms) / 1000)
            if place % _COUNTED_A_TURN == _COUNTED_A_TURN - 1:
                await asyncio.sleep(0)

    def _may_start(self, this: OpenJob) -> bool:
        """Asked directly before the create request, after any upload: the claim must still hold on our own clock."""
        view, job, attempt = this
        crashpoints.point("before_claim_check", view.partition)
        if job.claim is None or not attempt.claim.call_upon(self._clock.running_s(), job.claim.start_within_s):
            return False
        crashpoints.point("before_create", view.partition)
        return True

    async def give_back(self, this: OpenJob) -> float | None:
        """The claim was not called upon, and has run out or come near the deadline."""
        self._pauses.told_nothing(this.account, this.subject)
        self._metrics.claim_lost(this.account)
        return await self._records.end(this, JobEnd.NOT_STARTED, "the claim ran out before the create call")

    async def refuse(self, this: OpenJob, decision: Decision) -> float | None:
        """A budget has no room for the job: its comparisons end, or its halves are tried."""
        reason = JobEnd.SPLIT if decision.verdict is AdmissionVerdict.SPLIT else JobEnd.OVER_BUDGET
        return await self._records.end(this, reason, decision.message, decision.code)

    async def escalate(self, this: OpenJob) -> float | None:
        """Not submitted, and its deadline is near: its members go as calls."""
        return await self._records.end(this, JobEnd.ESCALATED, "its deadline is near and it has not been submitted")


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


def _size(view: PartitionView, job: Job) -> int:
    """An upper estimate of the job's encoded bytes."""
    members = (*view.state.owned(job.job_id), *(shadow.member for shadow in job.plan.shadows))
    pending = (view.state.pending.get(member) for member in members)
    return sum(encoded_bytes(one) for one in pending if one is not None)
