"""What a worker with these settings would do with a file of requests: windows, lines, jobs, tokens, cost. Nothing is sent.

From request to prompt it runs the worker's own code, so the windows, lines and jobs are those that a worker would make of a
topic with nothing else in it.
"""

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiokafka.partitioner import murmur2
from pydantic import SecretStr

from agents.jobs.prompts import ask_of, source_of
from agents.planning.prices import price_book
from agents.planning.rehearsal import Rehearsal
from cli.round_records import RoundRecord
from domain import strategies
from domain.comparison import Member
from domain.cutting import MEAN_BYTES_PER_TOKEN
from domain.job import ClosedBy, Job, Plan, Transport
from domain.nightly import Schedule
from domain.providers import PROVIDERS
from domain.reply import Usage
from domain.rounds import Standing
from domain.shadows import ANSWER_TOKENS
from domain.strategies import STRATEGIES
from providers.prompts.swapping import swapped
from providers.protocol import Ask
from settings import variable
from settings.settings import Settings


@dataclass(slots=True)
class Prediction:
    """What becomes of the comparisons of one window for one provider and model. Costs are in USD, None for an unknown price."""

    partition: int
    window: str
    rounds: list[str]
    strategy: str
    why: list[str]
    closes: str
    provider: str
    model: str
    transport: str
    comparisons: int = 0
    lines: int = 0
    line_sizes: dict[int, int] = field(default_factory=dict)  # comparisons in a line → how many lines
    batch_jobs: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    single_cost_usd: float | None = 0.0
    audits: int = 0
    audits_cost_usd: float | None = 0.0  # in none of the figures before


@dataclass(slots=True)
class Forecast:
    """The predictions, and the comparisons that would not be asked, as (correlation id, why)."""

    predictions: list[Prediction] = field(default_factory=list)
    not_asked: list[tuple[str, str]] = field(default_factory=list)


def with_keys(settings: Settings) -> tuple[Settings, list[str]]:
    """The settings as if every provider had a key, and the names of those that have none."""
    missing = [
        name
        for name, row in PROVIDERS.items()
        if row.needs_key and not settings.provider(name).open and not settings.unfit_strategy(name)
    ]
    blocks = {name: settings.provider(name).model_copy(update={"api_key": SecretStr("none")}) for name in missing}
    return settings.model_copy(update=blocks), missing


def forecast(records: Iterable[RoundRecord], settings: Settings, now_ms: int) -> Forecast:
    """Predict what becomes of these records, all read at once."""
    found = Forecast()
    by_partition: defaultdict[int, list[RoundRecord]] = defaultdict(list)
    for record in records:
        by_partition[partition_of(record.key, settings.partitions)].append(record)
    for partition in sorted(by_partition):
        _Partition(partition, settings, now_ms, found).predict(by_partition[partition])
    return found


def partition_of(key: bytes, partitions: int) -> int:
    """Where a producer with Kafka's default partitioner puts this key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class _Partition:
    """One partition, empty at the beginning."""

    def __init__(self, partition: int, settings: Settings, now_ms: int, found: Forecast) -> None:
        self._settings, self._now_ms, self._found = settings, now_ms, found
        self._rehearsal, self._prices = Rehearsal(settings, partition), price_book(settings)

    def predict(self, records: Sequence[RoundRecord]) -> None:
        for record in records:
            self._take(record)
        places = {key: place for place, key in enumerate(self._rehearsal.state.windows)}
        jobs: list[Job] = []
        while closed := self._rehearsal.close(self._now_ms):  # a loop: what a full job leaves may fill another one
            jobs += closed
        # Nothing else comes: every window that is still open closes by the latest of their times.
        jobs += self._rehearsal.close(max(self._rehearsal.looks_ms(), default=self._now_ms))
        groups: dict[tuple[str, str, str, str, str], Prediction] = {}
        for job in sorted(jobs, key=lambda job: places[job.plan.round_key, self._strategy(job.plan)]):
            plan, strategy = job.plan, self._strategy(job.plan)
            closes = self._closing(plan, strategy)
            key = (plan.round_key, strategy, closes, plan.provider, plan.model)
            if key not in groups:
                groups[key] = self._group(plan, strategy, closes)
            self._add(groups[key], plan)
        self._found.predictions += groups.values()

    def _take(self, record: RoundRecord) -> None:
        judged = self._rehearsal.take(record.value, self._now_ms)
        for lost in judged.unanswerable:
            self._found.not_asked.append((str(lost.member.correlation_id), f"dead letter: {lost.error}"))
        for arrival in (arrival for entry in judged.entries for arrival in entry.arrivals):
            if arrival.standing is Standing.REJECTED and arrival.fault is not None:
                why = f"error event: {arrival.fault.code.value}: {arrival.fault.message}"
                self._found.not_asked.append((arrival.correlation_id, why))
            elif arrival.standing is not Standing.ACCEPTED:
                self._found.not_asked.append((arrival.correlation_id, f"{arrival.standing.value}: the id came before"))

    def _strategy(self, plan: Plan) -> str:
        return self._rehearsal.state.pending[plan.members[0]].resolved.strategy

    def _closing(self, plan: Plan, strategy: str) -> str:
        schedule = self._rehearsal.planner.schedules[plan.provider]
        return closing(strategy, plan.closed_by, self._settings, schedule, self._now_ms)

    def _group(self, plan: Plan, strategy: str, closes: str) -> Prediction:
        return Prediction(
            partition=self._rehearsal.state.partition,
            window=plan.round_key,
            rounds=[],
            strategy=strategy,
            why=[],
            closes=closes,
            provider=plan.provider,
            model=plan.model,
            transport=plan.transport.value,
        )

    def _add(self, group: Prediction, plan: Plan) -> None:
        batch = plan.transport is Transport.BATCH
        group.comparisons += plan.size
        group.lines += len(plan.lines)
        group.batch_jobs += batch
        group.calls += 0 if batch else len(plan.lines)
        sizes = Counter(group.line_sizes) + Counter(len(line) for line in plan.lines)
        group.line_sizes = dict(sorted(sizes.items()))
        whys = dict.fromkeys((*group.why, *(self._why(member, plan.provider) for member in plan.members)))
        group.why = list(whys)
        rounds = (*group.rounds, *(self._rehearsal.state.pending[member].round_key for member in plan.members))
        group.rounds = list(dict.fromkeys(rounds))
        for line in plan.lines:
            usage = self._usage(plan, line)
            group.input_tokens += usage.prompt_tokens
            group.output_tokens += usage.completion_tokens
            group.cost_usd = _sum(group.cost_usd, self._prices.cost_usd(plan.provider, plan.model, usage, batch=batch))
            for member in line:
                alone = usage if len(line) == 1 else self._usage(plan, (member,))
                single = self._prices.cost_usd(plan.provider, plan.model, alone, batch=False)
                group.single_cost_usd = _sum(group.single_cost_usd, single)

        audited = Counter(shadow.member for shadow in plan.shadows)
        for member, shadows in audited.items():
            if swapped(source_of(self._rehearsal.members[member], plan, self._settings)[0]) is None:
                continue  # nor is it asked
            group.audits += 1
            usage = self._usage(plan, (member,))
            several = Usage(shadows * usage.prompt_tokens, shadows * usage.completion_tokens)
            usd = self._prices.cost_usd(plan.provider, plan.model, several, batch=batch)
            group.audits_cost_usd = _sum(group.audits_cost_usd, usd)

    def _why(self, member: Member, provider: str) -> str:
        return reason(self._rehearsal.members[member].metadata.get("cj_llm_batching_mode"), provider, self._settings)

    def _usage(self, plan: Plan, line: tuple[Member, ...]) -> Usage:
        sources = [source_of(self._rehearsal.members[member], plan, self._settings) for member in line]
        ask = ask_of("predicted-0", plan, sources, self._settings)
        return Usage(input_tokens(ask), ANSWER_TOKENS * len(line))


def reason(mode: object, provider: str, settings: Settings) -> str:
    """What has picked the strategy of a request: its own mode, the provider's setting, the common setting or the default."""
    own = settings.provider(provider).llm_batching_strategy
    if own is not None:
        configured = f"{variable(provider)}__LLM_BATCHING_STRATEGY={own}"
    elif "llm_batching_strategy" in settings.model_fields_set:
        configured = f"{variable('llm_batching_strategy')}={settings.llm_batching_strategy}"
    else:
        configured = f"the default, {settings.llm_batching_strategy}"
    if mode is None:
        return configured
    asked = f"cj_llm_batching_mode={str(mode)[:40]}"
    if not settings.honor_request_mode:
        return f"{configured} ({asked} is not honoured: {variable('honor_request_mode')}=false)"
    if strategies.misses_its_batch(mode, honor_request_mode=True, batches=settings.provider(provider).takes_batches):
        return f"{configured} ({asked} is not possible: {provider} takes no batch jobs)"
    # A mode is a word that the wire knows if, for at least one configured strategy, it picks another one.
    if all(strategies.choose(name, mode, honor_request_mode=True).name == name for name in STRATEGIES):
        return f"{configured} ({asked} is no known mode)"
    chosen = strategies.choose(settings.strategy_for(provider), mode, honor_request_mode=True).name
    return f"{asked} of the request" + (f", as {configured}" if chosen == settings.strategy_for(provider) else "")


def closing(strategy: str, closed_by: ClosedBy, settings: Settings, schedule: Schedule, now_ms: int) -> str:
    """What closes a window of this strategy, in words."""
    match closed_by:
        case ClosedBy.AT_ONCE:
            return "at once, with each record"
        case ClosedBy.FULL:
            return "full: a job's limit is reached"
        case ClosedBy.COMPLETE:
            return "the round is complete: all its parts have come"
    if STRATEGIES[strategy].closes is strategies.Closes.SCHEDULE:
        tick = dt.datetime.fromtimestamp(schedule.next_tick_ms(now_ms) / 1000, dt.UTC)
        return f"schedule {schedule.cron!r} {schedule.zone}, next {tick:%Y-%m-%d %H:%M} UTC"
    return f"quiet for {settings.quiet_s:g} s, or {settings.window_age_s:g} s old"


def input_tokens(ask: Ask) -> int:
    """About how many input tokens a line's ask has, by its bytes."""
    size = len(ask.system.encode("utf-8", "surrogatepass"))
    size += sum(len(block.text.encode("utf-8", "surrogatepass")) for block in ask.blocks)
    return math.ceil(size / MEAN_BYTES_PER_TOKEN)


def _sum(total: float | None, more: float | None) -> float | None:
    return None if total is None or more is None else total + more
