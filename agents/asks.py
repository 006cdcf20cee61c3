"""From the lines of a job to what is sent, and from what comes back to outcomes."""

import structlog

from agents.metrics import Metrics
from agents.resolving import call_profile
from domain.answer import Answer
from domain.comparison import Member
from domain.job import Job, Transport
from domain.outcome import Outcome
from domain.reply import ErrorCode, Fault, Reply, Retry, Usage, judge
from providers.prices import cost_usd
from providers.prompts import PromptSource, SourceBlock, ask_for
from providers.protocol import Ask
from streams.requests import InboundRecord
from streams.settings import Settings
from tables.view import PartitionView, Tables

log = structlog.get_logger("asks")


class Asks:
    """Reads the prompts of members out of `requests`."""

    def __init__(self, settings: Settings, tables: Tables) -> None:
        self._settings, self._tables = settings, tables

    def open_lines(self, view: PartitionView, job: Job) -> list[int]:
        """The lines of the job that still hold a member without an outcome which the job owns."""
        owned = set(view.state.owned(job.job_id))
        return [number for number, line in enumerate(job.plan.lines) if owned.intersection(line)]

    def build(self, view: PartitionView, job: Job, lines: list[int], now_ms: int) -> tuple[list[Ask], list[Outcome]]:
        """The asks of these lines, and an error outcome for each member that none can be made of.

        The custom id comes from the line's place in the plan, whichever lines are left out. A member whose prompt cannot be
        made ends alone: raised, it would stop the worker again after every restart.
        """
        records: dict[int, InboundRecord] = {}
        asks: list[Ask] = []
        unusable: list[Outcome] = []
        for number in lines:
            try:
                asks.append(self._ask(view, job, number, records))
            except Exception as error:
                log.exception("prompt_not_made", partition=view.partition, job_id=job.job_id, line=number)
                fault = Fault(ErrorCode.PROCESSING_ERROR, f"no prompt can be made of this request: {type(error).__name__}")
                plan = job.plan
                unusable += [
                    Outcome(member, plan.provider, plan.model, now_ms, plan.mode, fault=fault) for member in plan.lines[number]
                ]
        return asks, unusable

    def _ask(self, view: PartitionView, job: Job, number: int, records: dict[int, InboundRecord]) -> Ask:
        (member,) = job.plan.lines[number]
        record = records.get(member.offset)
        if record is None:
            record = records[member.offset] = self._record(view.partition, member)
        inbound = record.members[member.position]
        profile = call_profile(inbound, job.plan.provider, job.plan.model, self._settings)
        body = inbound.body
        blocks = body.prompt_blocks if body is not None else None
        source = PromptSource(
            body.user_prompt if body is not None else "",
            None if blocks is None else tuple(SourceBlock(block.content, block.cacheable, block.ttl) for block in blocks),
        )
        most = self._settings.provider(job.plan.provider).max_output_tokens
        return ask_for(job.custom_id(number), source, profile, default_max_tokens=most)

    def _record(self, partition: int, member: Member) -> InboundRecord:
        found = self._tables.parsed.find(self._tables.requests, partition, member.offset)
        if found is None:
            raise LookupError(f"partition {partition}: {member} is open, but its request is not in the table")
        return found[1]


def outcome_of(
    job: Job, member: Member, came: Reply | Retry, *, completed_ms: int, response_time_ms: int, metrics: Metrics
) -> Outcome:
    """One member's outcome from its reply, or from why there is none."""
    plan = job.plan
    verdict: Answer | Retry | Fault = judge(came) if isinstance(came, Reply) else came
    cost: float | None = 0.0
    if isinstance(came, Reply) and (came.usage.prompt_tokens or came.usage.completion_tokens):
        cost = cost_usd(plan.provider, plan.model, came.usage, batch=plan.transport is Transport.BATCH)
        if cost is None:
            metrics.price_unknown(plan.provider, plan.model)
    return Outcome(
        member=member,
        provider=plan.provider,
        model=plan.model,
        completed_ms=completed_ms,
        mode=plan.mode,
        answer=verdict if isinstance(verdict, Answer) else None,
        fault=verdict if isinstance(verdict, Fault) else None,
        retry=verdict if isinstance(verdict, Retry) else None,
        response_time_ms=max(0, response_time_ms),
        cost_usd=cost or 0.0,
        usage=came.usage if isinstance(came, Reply) else Usage(),
    )
