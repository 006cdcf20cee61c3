"""Asking the prompts of an experiment, by calls or as batch jobs, within a budget."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agents.planning.prices import price_book
from cli.explain.forecast import input_tokens
from domain import experiment
from domain.answer import Answer
from domain.comparison import CallProfile
from domain.experiment import SWAPPED, Arm, Line, Verdict
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
    """One comparison that all arms judge: its prompt, the swapped one, and its two essays, each by a number."""

    source: PromptSource
    swapped: PromptSource
    essays: tuple[int, int]


@dataclass(slots=True)
class Asking:
    """The prompts of one experiment, and what has come back. Costs are in USD.

    answers: arm → pair → verdict. asked: arm → pairs asked. failed: prompts that brought nothing, by why. stopped: at the
    budget, or because the account is refused.
    """

    settings: Settings
    account: Account
    profile: CallProfile
    pairs: Sequence[Pair]
    batches: bool
    budget_usd: float
    spent_usd: float = 0.0
    answers: dict[str, dict[int, Verdict]] = field(default_factory=lambda: defaultdict(dict))
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stopped: bool = False
    _reserved_usd: float = 0.0
    _prices: PriceBook = field(init=False)  # one for all prompts: it keeps what it has looked up

    def __post_init__(self) -> None:
        self._prices = price_book(self.settings)

    def ask(self, number: int, line: Line) -> Ask:
        """The prompt of a line."""
        sources = [self.pairs[pair].swapped if line.arm == SWAPPED else self.pairs[pair].source for pair in line.pairs]
        block = self.settings.provider(self.account.name)
        made, _ = ask_for_bundle(
            f"q{number}", sources, self.profile, layout=block.bundle_layout, default_max_tokens=block.max_output_tokens
        )
        return made

    def expected_usd(self, ask: Ask) -> float:
        """About what it costs, with nothing read from a cache. Errors: ValueError for a model without a price."""
        usage = Usage(input_tokens(ask), ANSWER_TOKENS * ask.answers)
        cost = self._prices.cost_usd(self.account.name, self.profile.model, usage, batch=self.batches)
        if cost is None:
            name = self.account.name.upper()
            raise ValueError(
                f"{self.profile.model} has no price, so no budget can be kept: set ROUNDBATCH_{name}__INPUT_USD_PER_MTOK and "
                f"ROUNDBATCH_{name}__OUTPUT_USD_PER_MTOK"
            )
        return cost

    async def run(self, numbered: Sequence[tuple[int, Line]]) -> None:
        """Ask these lines and take in what comes; stops before a prompt that the budget may have no room for."""
        if self.batches:
            await self._by_batches(numbered)
            return
        waiting = list(reversed(numbered))

        async def work_off() -> None:
            while waiting and not self.stopped:
                await self._call(*waiting.pop())

        workers = min(len(waiting), self.settings.provider(self.account.name).max_concurrent_calls)
        await asyncio.gather(*(work_off() for _ in range(workers)))

    def _reserve(self, cost_usd: float) -> bool:
        if self.spent_usd + self._reserved_usd + cost_usd > self.budget_usd:
            self.stopped = True
            return False
        self._reserved_usd += cost_usd
        return True

    async def _call(self, number: int, line: Line) -> None:
        ask = self.ask(number, line)
        cost = self.expected_usd(ask)
        if not self._reserve(cost):
            return
        self.asked[line.arm] += len(line.pairs)
        try:
            timeout_s = self.settings.provider(self.account.name).call_timeout_s
            reply = await self.account.call(ask, timeout_s=timeout_s, start=lambda: True)
        except ProviderError as error:
            self._fail(error, 1, cost)
        else:
            self._take(number, line, reply)
        finally:
            self._reserved_usd -= cost

    async def _by_batches(self, numbered: Sequence[tuple[int, Line]]) -> None:
        """One batch for each length of lines, for some providers take one answer schema a batch."""
        by_answers: dict[int, dict[str, tuple[int, Line, Ask]]] = defaultdict(dict)
        for number, line in numbered:
            ask = self.ask(number, line)
            by_answers[ask.answers][ask.custom_id] = (number, line, ask)
        jobs = []
        for rows in by_answers.values():
            cost = sum(self.expected_usd(ask) for _, _, ask in rows.values())
            if self._reserve(cost):
                jobs.append(self._batch(rows, cost))
        await asyncio.gather(*jobs)

    async def _batch(self, rows: dict[str, tuple[int, Line, Ask]], cost: float) -> None:
        for _, line, _ in rows.values():
            self.asked[line.arm] += len(line.pairs)
        provider = self.account.provider
        try:
            job = f"quality-{secrets.token_hex(6)}"
            batch = await provider.create(job, (ask for _, _, ask in rows.values()), start=lambda: True, timeout_s=600.0)
            wait_s = _FIRST_LOOK_S
            while (status := await provider.look(batch)).phase is JobPhase.RUNNING:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 1.5, _LONGEST_LOOK_S)
            if status.phase is JobPhase.FAILED:
                self.failed[f"batch failed: {status.failure or status.detail}"] += len(rows)
                return
            async for reply in provider.replies(batch):
                number, line, _ = rows[reply.custom_id]
                self._take(number, line, reply)
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

    def _take(self, number: int, line: Line, reply: Reply) -> None:
        model = reply.model or self.profile.model
        bill = self._prices.bill(self.account.name, model, reply.usage, batch=self.batches, charged=reply.cost_usd)
        self.spent_usd += bill.usd if bill is not None else 0.0
        for slot, (pair, judged) in enumerate(zip(line.pairs, judge_bundle(reply, len(line.pairs)), strict=True)):
            if isinstance(judged, Answer):
                a_won = (judged.winner == "Essay A") != (line.arm == SWAPPED)
                self.answers[line.arm][pair] = Verdict(a_won, slot, number)


async def conduct(
    asking: Asking, sizes: Sequence[int], *, precision: float, margin: float, block: int, seed: int, say: Callable[[str], None]
) -> list[Arm]:
    """Ask block after block of pairs, until every interval is within `precision`, the pairs are used up, or the budget is.

    A block holds so many pairs, whose lines are all asked before the next begins; as batch jobs all pairs are one block.
    Returns what was found of each size; nothing without pairs.
    """
    pairs = len(asking.pairs)
    step = pairs if asking.batches else block
    number = 0
    arms: list[Arm] = []
    for start in range(0, pairs, step):
        here = range(start, min(start + step, pairs))
        planned = experiment.lines([asking.pairs[at].essays for at in here], sizes, seed=seed + start)
        numbered = []
        for line in planned:
            number += 1
            numbered.append((number, Line(line.arm, tuple(start + pair for pair in line.pairs))))
        await asking.run(numbered)
        arms = [experiment.arm(size, asking.answers, asking.asked[str(size)], margin=margin) for size in sizes]
        say(f"{here.stop} of {pairs} pairs asked, ${asking.spent_usd:.4f} spent")
        if asking.stopped or experiment.precise(arms, precision):
            break
    return arms
