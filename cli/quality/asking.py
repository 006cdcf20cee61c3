"""Asking the prompts of an experiment, by calls and as batch jobs, within a budget."""

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil

from msgspec.structs import replace

from agents.planning.prices import price_book
from cli.explain.forecast import input_tokens
from domain import experiment
from domain.answer import Answer
from domain.census import third
from domain.comparison import CallProfile
from domain.experiment import Line, Series, Verdict, Way
from domain.experiment_findings import Found, Seen, find, pairs_for
from domain.reply import Reply, Usage, judge_bundle
from domain.shadows import ANSWER_TOKENS
from providers.account import Account
from providers.prices import PriceBook
from providers.prompts.prompts import PromptSource, ask_for_bundle
from providers.protocol import AccountRefused, Ask, JobPhase, OutcomeUnknown, ProviderError, ResultsNotWhole
from settings.settings import Settings

_FIRST_LOOK_S = 5.0
_LONGEST_LOOK_S = 60.0


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison that is judged in all ways: its prompt, the swapped one, and its two essays, each by a number."""

    source: PromptSource
    swapped: PromptSource
    essays: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted, and for how much at most. precision, margin: shares (0.03 is 3 points)."""

    budget_usd: float
    precision: float
    margin: float
    seed: int


@dataclass(slots=True)
class Asking:
    """The prompts of one experiment, and what has come back. Costs are in USD.

    asked: series → pairs asked. failed: prompts that brought nothing, by why. sent_as: way → prompts by the layout that was
    used. stopped: at the budget, or because the account is refused.
    """

    settings: Settings
    account: Account
    profile: CallProfile
    ways: Sequence[Way]
    pairs: Sequence[Pair]
    budget_usd: float
    spent_usd: float = 0.0
    answers: dict[Series, dict[int, Verdict]] = field(default_factory=lambda: defaultdict(dict))
    asked: Counter[Series] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    sent_as: dict[Way, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    stopped: bool = False
    _reserved_usd: float = 0.0
    _prices: PriceBook = field(init=False)  # one for all prompts: it keeps what it has looked up

    def __post_init__(self) -> None:
        self._prices = price_book(self.settings)

    def ask(self, number: int, line: Line) -> tuple[Ask, str]:
        """The prompt of a line, and the layout that is used for it."""
        way = line.series.way
        sources = [self.pairs[pair].swapped if line.series.swapped else self.pairs[pair].source for pair in line.pairs]
        most = self.settings.provider(self.account.name).max_output_tokens
        made, used = ask_for_bundle(f"q{number}", sources, self.profile, layout=way.layout, default_max_tokens=most)
        return replace(made, reasons_first=way.reasons_first), used

    def expected_usd(self, ask: Ask, *, batch: bool) -> float:
        """About what it costs, with nothing read from a cache. Errors: ValueError for a model without a price."""
        usage = Usage(input_tokens(ask), ANSWER_TOKENS * ask.answers)
        cost = self._prices.cost_usd(self.account.name, self.profile.model, usage, batch=batch)
        if cost is None:
            name = self.account.name.upper()
            raise ValueError(
                f"{self.profile.model} has no price, so no budget can be kept: set ROUNDBATCH_{name}__INPUT_USD_PER_MTOK and "
                f"ROUNDBATCH_{name}__OUTPUT_USD_PER_MTOK"
            )
        return cost

    def seen(self) -> Seen:
        """What has come back so far."""
        return Seen(self.ways, [pair.essays for pair in self.pairs], self.answers, self.asked)

    def why_nothing(self) -> str:
        """Why nothing that is of use has come back."""
        causes = ", ".join(f"{name} ({times})" for name, times in self.failed.items())
        return causes or ("no answer can be used" if self.asked.total() else "the budget is too small")

    async def run(self, numbered: Iterable[tuple[int, Line]]) -> None:
        """Ask these lines and take in what comes; stops before a prompt that the budget may have no room for."""
        calls: list[tuple[int, Line]] = []
        rows: list[tuple[int, Line]] = []
        for number, line in numbered:
            (rows if line.series.way.batch else calls).append((number, line))
        calls.reverse()

        async def work_off() -> None:
            while calls and not self.stopped:
                await self._call(*calls.pop())

        workers = min(len(calls), self.settings.provider(self.account.name).max_concurrent_calls)
        await asyncio.gather(self._by_batches(rows), *(work_off() for _ in range(workers)))

    def _reserve(self, cost_usd: float) -> bool:
        if self.spent_usd + self._reserved_usd + cost_usd > self.budget_usd:
            self.stopped = True
            return False
        self._reserved_usd += cost_usd
        return True

    def _note(self, line: Line, used: str) -> None:
        self.asked[line.series] += len(line.pairs)
        if len(line.pairs) > 1:
            self.sent_as[line.series.way][used] += 1

    async def _call(self, number: int, line: Line) -> None:
        ask, used = self.ask(number, line)
        cost = self.expected_usd(ask, batch=False)
        if not self._reserve(cost):
            return
        self._note(line, used)
        try:
            timeout_s = self.settings.provider(self.account.name).call_timeout_s
            reply = await self.account.call(ask, timeout_s=timeout_s, start=lambda: True)
        except ProviderError as error:
            self._fail(error, 1, cost)
        else:
            self._take(line, reply)
        finally:
            self._reserved_usd -= cost

    async def _by_batches(self, numbered: Sequence[tuple[int, Line]]) -> None:
        """One batch for each answer schema, for some providers take one a batch."""
        by_schema: dict[tuple[int, bool], dict[str, tuple[Line, Ask, str]]] = defaultdict(dict)
        for number, line in numbered:
            ask, used = self.ask(number, line)
            by_schema[ask.answers, ask.reasons_first][ask.custom_id] = (line, ask, used)
        jobs = []
        for rows in by_schema.values():
            cost = sum(self.expected_usd(ask, batch=True) for _, ask, _ in rows.values())
            if self._reserve(cost):
                jobs.append(self._batch(rows, cost))
        await asyncio.gather(*jobs)

    async def _batch(self, rows: dict[str, tuple[Line, Ask, str]], cost: float) -> None:
        for line, _, used in rows.values():
            self._note(line, used)
        provider = self.account.provider
        try:
            job = f"quality-{secrets.token_hex(6)}"
            batch = await provider.create(job, (ask for _, ask, _ in rows.values()), start=lambda: True, timeout_s=600.0)
            wait_s = _FIRST_LOOK_S
            while (status := await provider.look(batch)).phase is JobPhase.RUNNING:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 1.5, _LONGEST_LOOK_S)
            if status.phase is JobPhase.FAILED:
                self.failed[f"batch failed: {status.failure or status.detail}"] += len(rows)
                return
            left = dict(rows)
            async for reply in provider.replies(batch):
                if (row := left.pop(reply.custom_id, None)) is not None:  # of two rows of one prompt the first counts
                    self._take(row[0], reply)
        except ResultsNotWhole as error:
            self.failed[str(error)] += error.paid or 1
        except ProviderError as error:
            self._fail(error, len(rows), cost)
        finally:
            self._reserved_usd -= cost

    def _fail(self, error: ProviderError, prompts: int, cost_usd: float) -> None:
        self.failed[str(error)] += prompts
        if isinstance(error, OutcomeUnknown):
            self.spent_usd += cost_usd  # it may have been done, and then it is paid
        if isinstance(error, AccountRefused):
            self.stopped = True  # so will be all others

    def _take(self, line: Line, reply: Reply) -> None:
        model, series = reply.model or self.profile.model, line.series
        batch = series.way.batch
        bill = self._prices.bill(self.account.name, model, reply.usage, batch=batch, charged=reply.cost_usd)
        self.spent_usd += bill.usd if bill is not None else 0.0
        together, size = min(line.pairs), len(line.pairs)
        for slot, (pair, judged) in enumerate(zip(line.pairs, judge_bundle(reply, size), strict=True)):
            if isinstance(judged, Answer):
                a_won = (judged.winner == "Essay A") != series.swapped
                self.answers[series][pair] = Verdict(a_won, judged.confidence, third(slot, size), together)


async def conduct(asking: Asking, goal: Goal, say: Callable[[str], None]) -> Found:
    """Ask the pilot, say what it shows and how many pairs it takes, and ask those.

    By calls the intervals are looked at after every so many pairs as the pilot had; where there are batch jobs, which may take
    hours, all pairs that are likely to be wanted, by the noise and by the intervals so far, are asked at once. It ends when
    every interval is within the precision, or the pairs or the budget are used up.
    """
    pairs, pilot = len(asking.pairs), experiment.pilot(asking.ways)
    block = min(pilot, pairs)
    number = asked = 0
    while True:
        essays = [pair.essays for pair in asking.pairs[asked : asked + block]]
        numbered = []
        for line in experiment.lines(essays, asking.ways, seed=goal.seed + asked):
            number += 1
            numbered.append((number, line._replace(pairs=tuple(asked + pair for pair in line.pairs))))
        await asking.run(numbered)
        asked += len(essays)
        found = find(asking.seen(), margin=goal.margin)
        say(f"{asked} of {pairs} pairs asked, ${asking.spent_usd:.4f} spent")
        if asking.stopped or asked == pairs or found.widest <= goal.precision:
            return found
        likely = pairs_for(found.singles[0].retest.estimate, goal.precision, experiment.largest(asking.ways))
        if asked == block:
            say(_after_pilot(found, goal, likely, asking.spent_usd / asked * (min(likely, pairs) - asked)))
        else:  # of a pilot's few large bundles the intervals are too wide to tell that
            likely = max(likely, ceil(asked * (found.widest / goal.precision) ** 2))
        if any(way.batch for way in asking.ways):
            block = max(pilot, likely - asked)
        block = min(block, pairs - asked)


def _after_pilot(found: Found, goal: Goal, likely: int, more_usd: float) -> str:
    noise = found.singles[0].retest
    return (
        f"two single answers to the same pair differ in {100 * noise.estimate:.1f} of 100 ({100 * noise.low:.1f} to "
        f"{100 * noise.high:.1f}): if bundles are judged alike, about {likely} pairs bring every interval to plus or minus "
        f"{100 * goal.precision:g} points, for ${max(0.0, more_usd):.4f} more"
    )
