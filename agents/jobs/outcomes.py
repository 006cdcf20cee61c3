"""From what comes back for a line of a job to the outcomes of its members."""

from collections.abc import Sequence

from agents.metrics.counters import Metrics
from domain.answer import Answer
from domain.comparison import Member
from domain.job import Job, Plan, Transport
from domain.model_names import is_same_model
from domain.outcome import Outcome
from domain.providers import PROVIDERS
from domain.reply import ErrorCode, Fault, Reply, Retry, Usage, judge, judge_bundle, usage_by_member
from providers.prices import PriceBook
from tables.view import PartitionView


def line_of(job: Job, reply: Reply) -> int | None:
    """The line behind a custom id, None for an id that is none of this job's."""
    job_id, _, number = reply.custom_id.rpartition("-")
    if job_id != job.job_id or not number.isdecimal() or int(number) >= len(job.plan.lines):
        return None
    return int(number)


def outcomes_of(
    view: PartitionView,
    job: Job,
    number: int,
    came: Reply | Retry,
    *,
    completed_ms: int,
    response_time_ms: int,
    prices: PriceBook,
    metrics: Metrics,
) -> list[Outcome]:
    """The outcomes of a line's members from its reply, or from why there is none.

    Which member a slot of the answer belongs to is its place in the line of the plan, never derived again. Tokens and cost of
    a bundle are shared out by the length of the prompts, and add up exactly. Where another model than the planned one has
    answered, the outcomes name that one, and are errors where the provider's row says so.
    """
    plan, line = job.plan, job.plan.lines[number]
    model = _answered_by(plan, came)
    verdicts: Sequence[Answer | Retry | Fault] = [came] * len(line) if isinstance(came, Retry) else judge_line(came, len(line))
    if model != plan.model:
        metrics.other_model(plan.provider, plan.model)
        if not PROVIDERS[plan.provider].takes_substitutes:
            verdicts = [_of_another(plan, model)] * len(line)
    parts: Sequence[tuple[Usage, float]] = [(Usage(), 0.0)] * len(line)
    if isinstance(came, Reply) and (came.usage.prompt_tokens or came.usage.completion_tokens or came.cost_usd):
        is_batch = plan.transport is Transport.BATCH
        bill = prices.bill(plan.provider, model, came.usage, batch=is_batch, charged=came.cost_usd)
        if bill is None:
            metrics.price_unknown(plan.provider, model)
        metrics.paid.tokens(plan.provider, model, came.usage)
        if bill is not None:
            metrics.paid.cost(plan.provider, model, plan.mode, bill)
        usd = bill.usd if bill is not None else 0.0
        parts = [(came.usage, usd)] if len(line) == 1 else usage_by_member(came.usage, usd, _weights(view, line))
    if isinstance(came, Reply):
        metrics.census.line(plan.provider, came.model or model, plan.policy.layout, verdicts)
    if len(line) > 1:
        unanswered = [_cause(verdict) for verdict in verdicts if not isinstance(verdict, Answer)]
        metrics.calls.bundle(plan.provider, plan.model, plan.mode, len(line), unanswered)
    return [
        Outcome(
            member=member,
            provider=plan.provider,
            model=model,
            completed_ms=completed_ms,
            mode=plan.mode,
            answer=verdict if isinstance(verdict, Answer) else None,
            fault=verdict if isinstance(verdict, Fault) else None,
            retry=verdict if isinstance(verdict, Retry) else None,
            response_time_ms=max(0, response_time_ms),
            cost_usd=usd,
            usage=usage,
            paying_batch=_paying_batch(view, member),
        )
        for member, verdict, (usage, usd) in zip(line, verdicts, parts, strict=True)
    ]


def judge_line(reply: Reply, size: int) -> Sequence[Answer | Retry | Fault]:
    """One verdict for each comparison of a line."""
    return (judge(reply),) if size == 1 else judge_bundle(reply, size)


def _answered_by(plan: Plan, came: Reply | Retry) -> str:
    """The planned model, unless another one may have answered and the reply names another one."""
    if isinstance(came, Retry) or not PROVIDERS[plan.provider].substitutes or is_same_model(plan.model, came.model):
        return plan.model
    return came.model


def _of_another(plan: Plan, model: str) -> Fault:
    message = f"{plan.model} was asked, and {plan.provider} has {model} answer in its place: ask for a model that it offers"
    return Fault(ErrorCode.CONFIGURATION_ERROR, message, {"answered_by": model})


def _cause(verdict: Retry | Fault) -> str:
    return verdict.cause.value if isinstance(verdict, Retry) else verdict.code.value


def _paying_batch(view: PartitionView, member: Member) -> str:
    pending = view.state.pending.get(member)
    return pending.resolved.paying_batch if pending is not None else ""


def _weights(view: PartitionView, line: Sequence[Member]) -> list[int]:
    pending = (view.state.pending.get(member) for member in line)
    return [1 if one is None else max(1, one.prompt_bytes) for one in pending]
