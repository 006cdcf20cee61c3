"""From what comes back for a job's shadows to what is told of them."""

from agents.metrics.counters import Metrics
from domain.answer import Answer
from domain.auditing import ShadowReply
from domain.job import Job, Plan, Transport
from domain.reply import Reply, Retry, judge
from providers.prices import PriceBook


def shadow_of(job: Job, reply: Reply) -> int | None:
    """The number of the shadow behind a custom id, from 0; None for an id that is of none of them."""
    job_id, _, number = reply.custom_id.rpartition("-s")
    if job_id != job.job_id or not number.isdecimal() or int(number) >= len(job.plan.shadows):
        return None
    return int(number)


def reply_of(plan: Plan, number: int, reply: Reply, prices: PriceBook, metrics: Metrics) -> ShadowReply:
    """What came back for one shadow, in final values. A shadow is asked once, so all but an answer is told as missing."""
    shadow = plan.shadows[number]
    usd = 0.0
    if reply.usage.prompt_tokens or reply.usage.completion_tokens or reply.cost_usd:
        is_batch = plan.transport is Transport.BATCH
        model = reply.model or plan.model
        bill = prices.bill(plan.provider, model, reply.usage, batch=is_batch, charged=reply.cost_usd)
        usd = bill.usd if bill is not None else 0.0
        metrics.audits.cost(usd)
    verdict = judge(reply)
    if isinstance(verdict, Answer):
        return ShadowReply(shadow.member, shadow.form, shadow.number, verdict.winner, verdict.confidence, reply.model, usd=usd)
    cause = verdict.cause.value if isinstance(verdict, Retry) else "refused"
    return ShadowReply(shadow.member, shadow.form, shadow.number, model_said=reply.model, cause=cause, usd=usd)
