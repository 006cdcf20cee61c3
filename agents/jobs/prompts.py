"""From the lines of a job to what is sent, and from what comes back to outcomes."""

from collections.abc import Iterable, Iterator, Sequence

import structlog

from agents.metrics.counters import Metrics
from agents.partitions.log_fields import about
from agents.planning.resolve import call_profile, prompt_source
from domain.answer import Answer
from domain.comparison import CallProfile, Member
from domain.job import Job, Plan, Transport
from domain.outcome import Outcome
from domain.reply import ErrorCode, Fault, Reply, Retry, Usage, judge, judge_bundle, share
from providers.prices import cost_usd
from providers.prompts.prompts import PromptSource, ask_for, ask_for_bundle
from providers.protocol import Ask, StartRefused
from settings.settings import Settings
from streams.wire.requests import InboundMember, InboundRecord
from tables.faults import StoreFault
from tables.view import PartitionView, Tables

log = structlog.get_logger("prompts")


class JobPrompts:
    """Reads the prompts of members out of `requests`."""

    def __init__(self, settings: Settings, tables: Tables) -> None:
        self._settings, self._tables = settings, tables

    def open_lines(self, view: PartitionView, job: Job) -> list[int]:
        """The lines of the job that still hold a member without an outcome which the job owns."""
        owned = set(view.state.owned(job.job_id))
        return [number for number, line in enumerate(job.plan.lines) if owned.intersection(line)]

    def each(self, view: PartitionView, job: Job, lines: Iterable[int], now_ms: int, unusable: list[Outcome]) -> Iterator[Ask]:
        """The asks of these lines, made one by one as they are taken: a job's prompts are never held as a whole.

        Into `unusable` goes an error outcome for each member that none can be made of: it ends alone; raised, it would stop the
        worker again after every restart. The custom id comes from the line's place in the plan, whichever lines are left out.
        Raises StartRefused when the partition goes meanwhile, and StoreFault: its prompts can be read no more, and are not at
        fault.
        """
        kept: dict[int, InboundRecord] = {}
        for number in lines:
            if view.dead:
                raise StartRefused(f"job {job.job_id}: partition {view.partition} went while its prompts were read")
            sources, culprits = self._sources(view, job, number, kept, now_ms)
            unusable += culprits
            if not culprits:  # the others of its line have no row, and are asked again without it
                yield ask_of(job.custom_id(number), job.plan, sources, self._settings)

    def build(self, view: PartitionView, job: Job, number: int, now_ms: int) -> tuple[Ask | None, list[Outcome]]:
        """The ask of one line, or the error outcomes because of which there is none."""
        unusable: list[Outcome] = []
        return next(self.each(view, job, (number,), now_ms, unusable), None), unusable

    def _sources(
        self, view: PartitionView, job: Job, number: int, kept: dict[int, InboundRecord], now_ms: int
    ) -> tuple[list[tuple[PromptSource, CallProfile]], list[Outcome]]:
        plan = job.plan
        sources: list[tuple[PromptSource, CallProfile]] = []
        culprits: list[Outcome] = []
        for member in plan.lines[number]:
            try:
                record = kept.get(member.offset)
                if record is None:
                    record = self._record(view.partition, member)
                    kept.clear()  # the lines of a job go through its records one after another
                    kept[member.offset] = record
                sources.append(source_of(record.members[member.position], plan, self._settings))
            except StoreFault:
                raise
            except Exception as error:
                log.exception("prompt_not_made", **about(view, job), line=number)
                fault = Fault(ErrorCode.PROCESSING_ERROR, f"no prompt can be made of this request: {type(error).__name__}")
                culprits.append(Outcome(member, plan.provider, plan.model, now_ms, plan.mode, fault=fault))
        return sources, culprits

    def _record(self, partition: int, member: Member) -> InboundRecord:
        found = self._tables.parsed.find(self._tables.requests, partition, member.offset)
        if found is None:
            raise LookupError(f"partition {partition}: {member} is open, but its request is not in the table")
        return found[1]


def source_of(inbound: InboundMember, plan: Plan, settings: Settings) -> tuple[PromptSource, CallProfile]:
    """The prompt of one comparison, and the call profile that it is asked under."""
    return prompt_source(inbound), call_profile(inbound, plan.provider, plan.model, settings)


def ask_of(custom_id: str, plan: Plan, sources: Sequence[tuple[PromptSource, CallProfile]], settings: Settings) -> Ask:
    """The ask of one line. A line of several holds one call profile: the first one's is that of all."""
    most = settings.provider(plan.provider).max_output_tokens
    profile = sources[0][1]
    reads = len(plan.lines) - 1  # the other lines of the job begin alike; what reads the cache besides is not known
    if len(sources) == 1:
        return ask_for(custom_id, sources[0][0], profile, default_max_tokens=most, expected_reads=reads)
    prompts = [source for source, _ in sources]
    return ask_for_bundle(
        custom_id, prompts, profile, layout=plan.policy.layout, default_max_tokens=most, expected_reads=reads
    )[0]


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
    metrics: Metrics,
) -> list[Outcome]:
    """The outcomes of a line's members from its reply, or from why there is none.

    Which member a slot of the answer belongs to is its place in the line of the plan, never derived again. Tokens and cost of
    a bundle are shared out by the length of the prompts, and add up exactly.
    """
    plan, line = job.plan, job.plan.lines[number]
    verdicts: Sequence[Answer | Retry | Fault] = [came] * len(line) if isinstance(came, Retry) else judge_line(came, len(line))
    shares: Sequence[tuple[Usage, float]] = [(Usage(), 0.0)] * len(line)
    if isinstance(came, Reply) and (came.usage.prompt_tokens or came.usage.completion_tokens):
        cost = cost_usd(plan.provider, plan.model, came.usage, batch=plan.transport is Transport.BATCH)
        if cost is None:
            metrics.price_unknown(plan.provider, plan.model)
        metrics.paid.tokens(plan.provider, plan.model, came.usage)
        if cost is not None:
            metrics.paid.cost(plan.provider, plan.model, plan.mode, came.usage, cost, batch=plan.transport is Transport.BATCH)
        shares = [(came.usage, cost or 0.0)] if len(line) == 1 else share(came.usage, cost or 0.0, _weights(view, line))
    if len(line) > 1:
        unanswered = [_cause(verdict) for verdict in verdicts if not isinstance(verdict, Answer)]
        metrics.calls.bundle(plan.provider, plan.model, plan.mode, len(line), unanswered)
    return [
        Outcome(
            member=member,
            provider=plan.provider,
            model=plan.model,
            completed_ms=completed_ms,
            mode=plan.mode,
            answer=verdict if isinstance(verdict, Answer) else None,
            fault=verdict if isinstance(verdict, Fault) else None,
            retry=verdict if isinstance(verdict, Retry) else None,
            response_time_ms=max(0, response_time_ms),
            cost_usd=cost_share,
            usage=usage,
            paying_batch=_paying_batch(view, member),
        )
        for member, verdict, (usage, cost_share) in zip(line, verdicts, shares, strict=True)
    ]


def judge_line(reply: Reply, size: int) -> Sequence[Answer | Retry | Fault]:
    """One verdict for each comparison of a line."""
    return (judge(reply),) if size == 1 else judge_bundle(reply, size)


def _cause(verdict: Retry | Fault) -> str:
    return verdict.cause.value if isinstance(verdict, Retry) else verdict.code.value


def _paying_batch(view: PartitionView, member: Member) -> str:
    pending = view.state.pending.get(member)
    return pending.resolved.paying_batch if pending is not None else ""


def _weights(view: PartitionView, line: Sequence[Member]) -> list[int]:
    pending = (view.state.pending.get(member) for member in line)
    return [1 if one is None else max(1, one.resolved.prompt_bytes) for one in pending]
