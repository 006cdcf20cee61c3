"""A synchronous job: each open line is one call; outcomes are settled in chunks as they come."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from agents.accounts.pauses import subject_of
from agents.jobs.attempt import OpenJob
from agents.jobs.outcomes import outcomes_of
from agents.jobs.shadow_calls import ShadowCalls
from agents.jobs.tools import JobTools
from domain.job import Job
from domain.outcome import Outcome
from domain.reconciling import JobEnd
from domain.replanning import failed_call
from domain.reply import Cause, ErrorCode, Reply, Retry
from providers.protocol import AccountRefused, ContentRefused, OutcomeUnknown, ProviderError, StartRefused
from streams import crashpoints
from streams.wire import work
from tables.view import PartitionView

log = structlog.get_logger("call")
_SETTLE_S = 0.03  # answers that come within this are settled by one record


class CallJob:
    """Runs the calls of one job after another's, bounded by the account's limiter."""

    def __init__(self, tools: JobTools, shadow_calls: ShadowCalls) -> None:
        self._shadow_calls = shadow_calls
        self._settings, self._accounts, self._prompts, self._records = (
            tools.settings,
            tools.accounts,
            tools.prompts,
            tools.records,
        )
        self._pauses, self._prices, self._metrics, self._clock = tools.pauses, tools.prices, tools.metrics, tools.clock

    @property
    def shadow_tasks(self) -> "list[asyncio.Task[Any]]":
        """The tasks that ask shadows."""
        return list(self._shadow_calls.tasks)

    async def run(self, this: OpenJob, wanted: Callable[[], bool]) -> None:
        """Ask every open line once. `wanted` is asked before each call.

        JobEnded follows when every line was asked and not every member of the job has been answered, or has failed for good.

        A line that is refused because of the account is left open: it waits with the job, and nothing is written of it. Shadows
        are asked afterwards, and nothing waits for them.
        """
        view, job, attempt = this
        waiting = self._prompts.open_lines(view, job)
        if (
            job.offset < view.work.end and not attempt.calls_begun
        ):  # planned before this assignment: whether it was asked is not known
            attempt.calls_begun = True
            for _ in waiting:
                self._metrics.call_repeated(job.plan.provider)
        if job.plan.shadows and attempt.shadows.asks is None and not view.dead:
            # Made now: of what is settled, the prompt may be gone.
            attempt.shadows.asks = list(self._prompts.shadows(view, job))
        came: list[Outcome] = []
        sends: list[asyncio.Future[Any]] = []
        skipped = ended = 0

        async def work_off() -> None:
            nonlocal skipped
            while waiting:
                number = waiting.pop(0)
                if not (
                    wanted() and self._lets(view, job, number)
                ):  # before the prompt is read: it can be only while the partition is here
                    skipped += 1
                    continue
                try:
                    came.extend(await self._ask(view, job, number, wanted))
                except StartRefused:
                    skipped += 1

        workers = min(len(waiting), self._settings.provider(job.plan.provider).max_concurrent_calls)
        tasks = [asyncio.create_task(work_off()) for _ in range(workers)]
        try:
            while tasks:
                done, pending = await asyncio.wait(tasks, timeout=_SETTLE_S)
                tasks = list(pending)
                for task in done:
                    task.result()
                ended += sum(outcome.terminal for outcome in came)
                if job.plan.shadows:
                    attempt.shadows.delivered.update(outcome.member for outcome in came if outcome.answer is not None)
                self._settle(view, job, came, sends)
        finally:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*sends)
        if skipped:
            return
        log.info("job_called", **attempt.about, comparisons=job.plan.size, attempt=job.plan.attempt)
        crashpoints.point("after_outcomes_sent", view.partition)
        if job.plan.shadows:
            self._shadow_calls.begin(attempt, job, wanted)
        if ended == job.plan.size:
            self._records.all_ended(this)
            return
        attempt.ended(None)
        await self._records.send(view.partition, work.JobEnded(job_id=job.job_id, claim_offset=None, reason=JobEnd.READ))

    def _lets(self, view: PartitionView, job: Job, number: int) -> bool:
        return self._pauses.lets(job.plan.provider, subject_of(view.partition, job.plan.lines[number][0]))

    def _settle(self, view: PartitionView, job: Job, came: list[Outcome], sends: "list[asyncio.Future[Any]]") -> None:
        if came:
            sends.append(self._records.send(view.partition, work.Outcomes(job_id=job.job_id, outcomes=tuple(came))))
            came.clear()

    async def _ask(self, view: PartitionView, job: Job, number: int, wanted: Callable[[], bool]) -> list[Outcome]:
        provider = job.plan.provider
        ask, unusable = self._prompts.build(view, job, number, self._clock.now_ms())
        if ask is None:
            return unusable
        started_ms = self._clock.now_ms()
        subject = subject_of(view.partition, job.plan.lines[number][0])

        def start() -> bool:
            nonlocal started_ms
            started_ms = self._clock.now_ms()
            return wanted() and _has_time(view, job, number, started_ms) and self._pauses.sending(provider, subject)

        timeout_s = self._settings.provider(provider).call_timeout_s
        reply: Reply | Retry
        try:
            reply = await self._accounts[provider].call(ask, timeout_s=timeout_s, start=start, round_key=job.plan.round_key)
            crashpoints.point("after_call", view.partition)
            self._pauses.replied(provider, subject, reply)
        except StartRefused:
            self._pauses.told_nothing(provider, subject)
            raise
        except ProviderError as error:
            paused = self._pauses.failed(provider, subject, error)
            if isinstance(error, OutcomeUnknown):
                self._metrics.call_repeated(provider)
            elif paused:
                raise StartRefused(str(error)) from error
            reply = _retry_of(job, error)
        now_ms = self._clock.now_ms()
        self._metrics.calls.called(provider, job.plan.model, job.plan.mode, (now_ms - started_ms) / 1000)
        return unusable + outcomes_of(
            view,
            job,
            number,
            reply,
            completed_ms=now_ms,
            response_time_ms=now_ms - started_ms,
            prices=self._prices,
            metrics=self._metrics,
        )


def _has_time(view: PartitionView, job: Job, number: int, now_ms: int) -> bool:
    """Whether a member of the line is still without an outcome, its own deadline ahead: the job's is that of its oldest."""
    pending = (view.state.pending.get(member) for member in job.plan.lines[number])
    return any(one is not None and now_ms < one.resolved.deadline_ms for one in pending)


def _retry_of(job: Job, error: ProviderError) -> Retry:
    """Why a call is open; the account is not paused for it."""
    match error:
        case OutcomeUnknown():
            return Retry(Cause.LOST_CALL, ErrorCode.TIMEOUT, str(error))
        case AccountRefused():
            return Retry(Cause.REFUSED_ACCOUNT, ErrorCode(error.code), str(error))
        case ContentRefused():
            return Retry(Cause.REFUSED_CONTENT, ErrorCode.INVALID_REQUEST, str(error))
        case _:
            # Without a back-off an outage of a second would use up all attempts.
            return failed_call(job.plan, str(error))
