"""From the lines of a job to what is sent: each line's prompt, read out of `requests`."""

from collections.abc import Iterable, Iterator, Sequence

import structlog

from agents.metrics.audits import AuditMetrics
from agents.partitions.log_fields import about
from agents.planning.resolve import call_profile, prompt_source
from domain.comparison import CallProfile, Member
from domain.job import Form, Job, Plan
from domain.outcome import Outcome
from domain.reply import ErrorCode, Fault
from providers.prompts.prompts import PromptSource, ask_for, ask_for_bundle
from providers.prompts.swapping import swapped
from providers.protocol import Ask, StartRefused
from settings.settings import Settings
from streams.wire.requests import InboundMember, InboundRecord
from tables.faults import StoreFault
from tables.view import PartitionView, Tables

log = structlog.get_logger("prompts")


class JobPrompts:
    """Reads the prompts of members out of `requests`."""

    def __init__(self, settings: Settings, tables: Tables, metrics: AuditMetrics) -> None:
        self._settings, self._tables, self._metrics = settings, tables, metrics

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

    def shadows(self, view: PartitionView, job: Job) -> Iterator[tuple[int, Ask]]:
        """The number and ask of each shadow of members that the job owns, made as they are taken.

        Nothing is asked of a member whose essays cannot be swapped, which is counted, or of which no prompt can be made. Raises
        as `each`.
        """
        owned, kept = set(view.state.owned(job.job_id)), dict[int, InboundRecord]()
        plan = job.plan
        for number, shadow in enumerate(plan.shadows):
            if shadow.member not in owned:
                continue
            if view.dead:
                raise StartRefused(f"job {job.job_id}: partition {view.partition} went while its prompts were read")
            try:
                record = kept.get(shadow.member.offset) or self._record(view.partition, shadow.member)
                source, profile = source_of(record.members[shadow.member.position], plan, self._settings)
                turned = swapped(source)
            except StoreFault:
                raise
            except Exception:
                log.exception("shadow_not_made", **about(view, job), shadow=number)
                continue
            kept = {shadow.member.offset: record}
            if turned is None:
                self._metrics.left_out("no_swapped_form", shadow.form is Form.SWAPPED)
            else:
                asked = turned if shadow.form is Form.SWAPPED else source
                yield number, ask_of(job.shadow_id(number), plan, [(asked, profile)], self._settings)

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
