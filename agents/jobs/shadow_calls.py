"""The shadows of calls: asked when all members of their job are settled, while nothing else waits for the account."""

import asyncio
from collections.abc import Callable

import structlog

from agents.accounts.admission import Admission
from agents.jobs.attempt import Attempt
from agents.jobs.shadow_replies import reply_of
from agents.jobs.tools import JobTools
from domain.auditing import NOT_DELIVERED, ShadowReply
from domain.job import Job
from providers.protocol import Ask, ContentRefused, OutcomeUnknown, ProviderError, StartRefused
from streams import crashpoints, failstop

log = structlog.get_logger("shadow_calls")
_AT_ONCE = 4  # of one account
_MOST_JOBS = 200  # whose shadows, with their prompts, are kept until they may go
_LOOK_S = 0.05


class ShadowCalls:
    """No job waits for its shadows. What cannot begin within CALL_TIMEOUT_S, or when the worker ends, is left out."""

    def __init__(self, tools: JobTools, admission: Admission) -> None:
        self._settings, self._accounts, self._records = tools.settings, tools.accounts, tools.records
        self._pauses, self._prices, self._metrics, self._clock = tools.pauses, tools.prices, tools.metrics, tools.clock
        self._admission = admission
        self._turns = {account: asyncio.Semaphore(_AT_ONCE) for account in tools.accounts}
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, attempt: Attempt, job: Job, wanted: Callable[[], bool]) -> None:
        """Ask the shadows of the members that their lines have brought an answer for, in a task of its own.

        `wanted` is asked before each call.
        """
        task = asyncio.create_task(self._run(attempt, job, wanted), name=f"shadows {job.job_id}")
        failstop.watch(task, f"shadows {job.job_id}")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _run(self, attempt: Attempt, job: Job, wanted: Callable[[], bool]) -> None:
        shadows, plan = attempt.shadows, job.plan
        asks, replies = list[tuple[int, Ask]](), dict[int, ShadowReply]()
        for number, ask in shadows.asks or ():
            if (one := plan.shadows[number]).member in shadows.delivered:
                asks.append((number, ask))
            else:
                replies[number] = ShadowReply(one.member, one.form, one.number, cause=NOT_DELIVERED)
        shadows.asks = None
        left_out = "crowded" if len(self.tasks) > _MOST_JOBS else ""
        if asks and not left_out:
            left_out = self._admission.lets_shadow_calls((attempt.partition, job.job_id), plan, [ask for _, ask in asks])
        ends_s = self._clock.running_s() + self._settings.provider(plan.provider).call_timeout_s
        try:
            for number, ask in asks:
                if not left_out:
                    asked = await self._in_turn(job, number, ask, ends_s, wanted)
                    if isinstance(asked, str):
                        left_out = asked
                    else:
                        replies[number] = asked
        finally:
            self._admission.shadow_calls_over((attempt.partition, job.job_id))
        if left_out:
            left = {plan.shadows[number].member for number, _ in asks if number not in replies}
            self._metrics.audits.left_out(left_out, len(left))
        crashpoints.point("before_audited_sent", attempt.partition)
        self._records.audited(attempt, job, replies, self._clock.now_ms(), otherwise="left_out")

    async def _in_turn(self, job: Job, number: int, ask: Ask, ends_s: float, wanted: Callable[[], bool]) -> ShadowReply | str:
        """The reply to one shadow, or why it is left out."""
        account, plan = self._accounts[job.plan.provider], job.plan

        def why_not() -> str:
            if not wanted():
                return "stopping"
            if self._pauses.pause_of(plan.provider) is not None:
                return "paused"
            return "crowded" if account.limiter.crowded else ""

        async with self._turns[plan.provider]:
            while True:
                why = why_not()
                if why == "stopping" or (why and self._clock.running_s() >= ends_s):
                    return why
                if why:
                    await asyncio.sleep(_LOOK_S)
                    continue
                timeout_s = self._settings.provider(plan.provider).call_timeout_s
                try:
                    reply = await account.call(
                        ask, timeout_s=timeout_s, start=lambda: not why_not(), round_key=f"shadows of {plan.round_key}"
                    )
                except StartRefused:
                    continue  # somebody came to wait meanwhile, or the worker stops
                except ProviderError as error:
                    shadow = plan.shadows[number]
                    return ShadowReply(shadow.member, shadow.form, shadow.number, cause=_cause(error))
                return reply_of(plan, number, reply, self._prices, self._metrics)


def _cause(error: ProviderError) -> str:
    match error:
        case OutcomeUnknown():
            return "lost_call"
        case ContentRefused():
            return "refused_content"
        case _:
            return "failed"
