"""A worker, its provider and CJ in virtual time: a day of nightly work is over in a tenth of a second.

The worker's own functions decide (compare.gathering, the limiter's core, domain.absence, domain.reply), and the simulator's
own answer and limit (compare.virtual_provider). Only the loops between them are written anew here: who waits for what.
Faults are not played: an unusable answer raises.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from compare import ideal
from compare.case import Case, asked_at_s
from compare.events import Events
from compare.gathering import Gathering
from compare.limits import AccountSize
from compare.pace import BATCH_LEAST_S, BATCH_MOST_S, Pace
from compare.row import Row, percentile
from compare.virtual_provider import Answered, Refused, VirtualProvider
from compare.workload import records
from domain.answer import Answer
from domain.job import Job, Transport
from domain.reply import Reply, Usage, judge_bundle
from providers.limits.account_limits import CONCURRENCY, AccountLimits
from providers.limits.charging import charging_of
from providers.limits.model_limits import Call
from providers.prices import LISTED
from providers.prompts.tokens import size_of
from settings.settings import load_settings

RESULTS = "huleedu.llm_provider.comparison_result.v1"
JUDGE_ERROR_RATE = 0.05
_MIDNIGHT_S = 1_795_392_000.0  # 2026-11-23T00:00Z


@dataclass(frozen=True, slots=True)
class Hops:
    """Seconds that the worker and Kafka take between the steps, measured on real runs. A run's scale does not change them."""

    arrive_s: float = 0.03  # from the send of a round to its window's closing
    plan_s: float = 0.03  # until the plan has been read back
    claim_s: float = 0.05  # until the claim has been read back, and the batch created
    http_s: float = 0.01  # of one request to the provider, there and back, besides the answer
    settle_s: float = 0.06  # from an answer to its result: outcomes are settled every 30 ms


class Model:
    """One case."""

    def __init__(self, case: Case, pace: Pace, hops: Hops, limits: AccountSize) -> None:
        self._case, self._pace, self._hops, self._limits = case, pace, hops, limits
        keys = {"ANTHROPIC_API_KEY": "none", "OPENAI_API_KEY": "none"}
        self._settings = load_settings(keys | case.settings(pace))
        self._block = self._settings.provider(case.provider)
        self._start_s = _MIDNIGHT_S + (asked_at_s(pace.scale) if case.nightly else 0.0)
        self._events = Events(self._start_s)
        self._gathering = Gathering(self._settings)
        self._provider = VirtualProvider(case, limits, pace, self._events, judge_error_rate=JUDGE_ERROR_RATE)
        self._batch = case.work.batch(case.provider, case.model, case.mode, callback_topic=RESULTS)
        self._core = AccountLimits(
            charging_of(case.provider),
            concurrent_calls=self._block.max_concurrent_calls,
            minute_s=self._settings.testing.limits_minute_s,
        )
        self._waiting: dict[Call, tuple[Job, int]] = {}
        self._queues: dict[str, deque[int]] = {}
        self._pump_at_s = float("inf")
        self._round_sent_s = 0.0
        self._took_s: list[float] = []
        self._ended_s = 0.0
        self._usage = Usage()
        self._cost_usd = 0.0
        self._lines: list[int] = []

    def run(self) -> Row:
        """Play it to the end."""
        with closing(self._provider):
            self._ask_round()
            self._events.run(until=lambda: self._batch.finished)
        scale, counted = self._pace.scale, self._provider.counted
        took_s = round((self._ended_s - self._start_s) * scale, 2)
        waits = self._core.state(self._events.monotonic_s).throttled_s
        return Row(
            strategy=self._case.strategy,
            provider=self._case.provider,
            account=self._case.account,
            workload=self._case.workload,
            bundle_size=self._case.bundle_size,
            layout=self._case.layout or "",
            simulated=True,
            comparisons=self._batch.requested,
            answered=self._batch.answered - self._batch.errors,
            makespan_s=took_s,
            ideal_s=round(self._ideal_s(), 2),
            http_operations=counted.http_operations,
            calls_429=counted.calls_429,
            throttled_s=round(sum(seconds for (_, what), seconds in waits.items() if what != CONCURRENCY) * scale, 2),
            input_tokens=self._usage.prompt_tokens,
            cached_tokens=self._usage.cache_read_tokens,
            output_tokens=self._usage.completion_tokens,
            cost_usd=round(self._cost_usd, 6),
            p50_s=round(percentile(self._took_s, 0.5) * scale, 2),
            p95_s=round(percentile(self._took_s, 0.95) * scale, 2),
            rank_correlation=round(self._batch.rank_correlation(), 4),
            least_s=took_s,
            most_s=took_s,
            scale=scale,
        )

    def _ideal_s(self) -> float:
        pace = self._pace
        if self._case.batched:
            return ideal.of_batches(self._batch.rounds, batch_s=pace.batch_s, nightly=self._case.nightly)
        counted = self._provider.counted
        taken = ideal.Taken(counted.tokens, self._lines, [seconds * pace.scale for seconds in counted.calls_s])
        return ideal.of_calls(taken, self._limits, concurrent_calls=self._block.max_concurrent_calls)

    # -- CJ ----------------------------------------------------------------------------------------------------------

    def _ask_round(self) -> None:
        self._round_sent_s = self._events.now()
        self._lines.append(0)
        for value in records(self._batch.next_round()):
            self._events.after(self._hops.arrive_s, partial(self._arrive, value))

    def _result(self, correlation_id: str, answer: Answer) -> None:
        self._batch.enter(correlation_id, answer.winner)
        self._took_s.append(self._events.now() - self._round_sent_s)
        self._ended_s = self._events.now()
        if self._batch.round_answered and not self._batch.finished:
            self._ask_round()

    # -- windows -----------------------------------------------------------------------------------------------------

    def _arrive(self, value: bytes) -> None:
        self._gathering.take(value, self._events.now_ms)
        self._close()
        for at_ms in self._gathering.looks_ms():
            self._events.after((at_ms - self._events.now_ms) / 1000, self._close)

    def _close(self) -> None:
        for job in self._gathering.close(self._events.now_ms):
            begin = self._create if job.plan.transport is Transport.BATCH else self._call
            self._events.after(self._hops.plan_s, partial(begin, job))

    # -- calls -------------------------------------------------------------------------------------------------------

    def _call(self, job: Job) -> None:
        self._lines[-1] += len(job.plan.lines)
        self._queues[job.job_id] = deque(range(len(job.plan.lines)))
        for _ in range(min(len(job.plan.lines), self._block.max_concurrent_calls)):
            self._next_line(job)
        self._pump()

    def _next_line(self, job: Job) -> None:
        queue = self._queues[job.job_id]
        if queue:
            self._stand(job, queue.popleft())

    def _stand(self, job: Job, line: int) -> None:
        ask = self._gathering.ask(job, line)
        call = self._core.ask(job.plan.round_key, ask.model, size_of(job.plan.provider, ask), self._events.monotonic_s)
        self._waiting[call] = (job, line)

    def _pump(self) -> None:
        now_s = self._events.monotonic_s
        for call in self._core.grants(now_s):
            job, line = self._waiting.pop(call)
            self._events.after(self._hops.http_s / 2, partial(self._send, call, job, line))
        wait_s = self._core.next_s(now_s)
        if wait_s is not None and now_s + wait_s < self._pump_at_s:
            self._pump_at_s = now_s + wait_s
            self._events.after(wait_s, partial(self._timer, self._pump_at_s))

    def _timer(self, at_s: float) -> None:
        if at_s == self._pump_at_s:  # otherwise an earlier event has taken this one's place
            self._pump_at_s = float("inf")
            self._pump()

    def _send(self, call: Call, job: Job, line: int) -> None:
        came = self._provider.call(self._gathering.ask(job, line))
        back_s = self._hops.http_s / 2
        if isinstance(came, Answered):
            self._events.after(came.takes_s, partial(self._provider.made, came.output_tokens))
            self._events.after(came.takes_s + back_s, partial(self._answered, call, job, line, came))
        else:
            self._events.after(back_s, partial(self._refused, call, job, line, came))

    def _refused(self, call: Call, job: Job, line: int, came: Refused) -> None:
        self._core.refused(call, self._events.monotonic_s, came.retry_after_s, came.seen)
        self._stand(job, line)
        self._pump()

    def _answered(self, call: Call, job: Job, line: int, came: Answered) -> None:
        self._core.answered(call, self._events.monotonic_s, usage=came.reply.usage, seen=came.seen)
        self._settle(job, line, came.reply, batch=False)
        self._next_line(job)
        self._pump()

    # -- batches -----------------------------------------------------------------------------------------------------

    def _create(self, job: Job) -> None:
        counted = self._provider.counted
        counted.http_operations += 2 if self._case.provider == "openai" else 1  # the file, and the batch
        self._events.after(self._hops.claim_s, partial(self._submitted, job))

    def _submitted(self, job: Job) -> None:
        self._poll_after(job, self._events.now() + self._pace.batch_s / self._pace.scale, polls=0)

    def _poll_after(self, job: Job, ends_s: float, polls: int) -> None:
        wait_s = self._settings.polls(self._case.provider).wait_s(polls)
        self._events.after(wait_s + self._hops.http_s, partial(self._poll, job, ends_s, polls + 1))

    def _poll(self, job: Job, ends_s: float, polls: int) -> None:
        self._provider.counted.http_operations += 1
        if self._events.now() < ends_s:
            self._poll_after(job, ends_s, polls)
            return
        self._provider.counted.http_operations += 2  # the batch once more, by the SDK or for its files, and the rows
        asks = [self._gathering.ask(job, line) for line in range(len(job.plan.lines))]
        for line, reply in enumerate(self._provider.rows(asks)):
            self._settle(job, line, reply, batch=True)

    # -- answers -----------------------------------------------------------------------------------------------------

    def _settle(self, job: Job, line: int, reply: Reply, *, batch: bool) -> None:
        usage = reply.usage
        self._usage = Usage(
            self._usage.prompt_tokens + usage.prompt_tokens,
            self._usage.completion_tokens + usage.completion_tokens,
            self._usage.cache_read_tokens + usage.cache_read_tokens,
            self._usage.cache_creation_tokens + usage.cache_creation_tokens,
        )
        self._cost_usd += LISTED.cost_usd(job.plan.provider, job.plan.model, usage, batch=batch) or 0.0
        members = job.plan.lines[line]
        for member, verdict in zip(members, judge_bundle(reply, len(members)), strict=True):
            if not isinstance(verdict, Answer):
                raise RuntimeError(f"{self._case.name}: the model plays no faults, and line {line} came back as {verdict}")
            name = self._gathering.correlation_id(member)
            self._gathering.end(member)
            self._events.after(self._hops.settle_s, partial(self._result, name, verdict))


def play(case: Case, pace: Pace | None = None, *, hops: Hops | None = None, limits: AccountSize | None = None) -> Row:
    """The row of a case, at its account or with other limits."""
    return Model(case, pace or Pace(), hops or Hops(), limits or case.limits).run()


def play_all(cases: Iterable[Case]) -> Iterator[Row]:
    """The rows of all cases, in their order; those of batches with the range of their makespans."""
    batched: dict[Case, Row] = {}
    for case in cases:
        if not case.batched:
            yield play(case)
            continue
        anywhere = replace(case, account="large")  # no limit of an account a minute concerns a batch
        row = batched.get(anywhere)
        if row is None:
            ends = [play(anywhere, Pace(batch_s=seconds)).makespan_s for seconds in (BATCH_LEAST_S, BATCH_MOST_S)]
            row = batched[anywhere] = replace(play(anywhere), least_s=ends[0], most_s=ends[1])
        yield replace(row, account=case.account)
