"""Workers at one limited account in virtual time: the pure limits against the simulator's own buckets, an event at a time."""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from domain.reply import Usage
from providers.limits import headers
from providers.limits.account_limits import AccountLimits
from providers.limits.charging import Charging, Size
from providers.limits.model_limits import Call
from simulator.limits import Limiter, Limits

EPOCH_S = 1_795_000_000.0  # the simulator tells times since 1970
REACH_S = (0.02, 0.3)  # from a worker to the provider's bucket
BACK_S = (0.005, 0.05)


@dataclass(frozen=True)
class Item:
    """A call's real tokens, how long it takes, and of which worker and round it is."""

    worker: int
    round_key: str
    input_tokens: int
    output_tokens: int
    latency_s: float


@dataclass
class Play:
    """A run. `items` are there at once; `shares` is one for each worker."""

    kind: str
    limits: Limits
    items: list[Item]
    shares: tuple[float, ...] = (1.0,)
    concurrent_calls: int = 16
    max_tokens: int = 400
    at_end: bool = False  # the headers show the limits at the end of a call
    used: float = 0.0  # of the full buckets, before the start
    configured: Mapping[str, float] = field(default_factory=dict)
    changes: tuple[tuple[float, dict[str, Any]], ...] = ()
    seed: int = 0
    now_s: float = 0.0

    def run(self) -> "Play":
        """Play until every item is answered."""
        self.random = random.Random(self.seed)
        self.provider = Limiter(self.limits)
        for bucket in (self.provider.requests, self.provider.tokens, self.provider.output):
            bucket.take(self.used * bucket.limit, EPOCH_S)
        self.cores = [
            AccountLimits(Charging(self.kind), concurrent_calls=self.concurrent_calls, **self.configured) for _ in self.shares
        ]
        self.refused_s: list[float] = []
        self.ended: list[tuple[float, Item]] = []
        self.charged = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._items: dict[Call, Item] = {}
        self._wakes: dict[int, float] = {}
        for core, share in zip(self.cores, self.shares, strict=True):
            core.set_share(share)
        for at_s, change in self.changes:
            self._at(at_s, lambda change=change: self.provider.change(replace(self.limits, **change), self._time()))
        for item in self.items:
            self._ask(item)
        for worker in range(len(self.cores)):
            self._let_go(worker)
        while self._events and len(self.ended) < len(self.items):
            self.now_s, _, event = heapq.heappop(self._events)
            event()
        assert len(self.ended) == len(self.items)
        return self

    @property
    def ideal_s(self) -> float:
        """The longest of what each limit alone permits, plus the last call."""
        output = sum(item.output_tokens for item in self.items) if self.kind == "anthropic" else 0
        latency_s = sum(item.latency_s for item in self.items) / len(self.items)
        last_s = self.ended[-1][1].latency_s
        amounts = (
            (len(self.items), self.limits.requests),
            (self.charged, self.limits.tokens),
            (output, self.limits.output_tokens),
        )
        waits = [(amount / limit - 1.0 + self.used) * self.limits.minute_s for amount, limit in amounts if limit]
        at_once = self.concurrent_calls * len(self.shares)
        return max(*waits, (math.ceil(len(self.items) / at_once) - 1) * latency_s, 0.0) + last_s

    def _time(self) -> float:
        return EPOCH_S + self.now_s

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), event))

    def _within(self, span: tuple[float, float], event: Callable[[], None]) -> None:
        self._at(self.now_s + self.random.uniform(*span), event)

    def _ask(self, item: Item) -> None:
        # 1.6: bytes of English prose by 2.5 are so many more than its tokens.
        bound = Size(round(item.input_tokens * 1.6 * self.random.uniform(0.97, 1.03)), self.max_tokens)
        call = self.cores[item.worker].ask(item.round_key, "m", bound, self.now_s)
        self._items[call] = item

    def _let_go(self, worker: int) -> None:
        core = self.cores[worker]
        for call in core.grants(self.now_s):
            self._within(REACH_S, lambda call=call: self._arrive(call))
        wait_s = core.next_s(self.now_s)
        if wait_s is not None and not self.now_s < self._wakes.get(worker, 0.0) <= self.now_s + wait_s:
            self._wakes[worker] = self.now_s + wait_s
            self._at(self.now_s + wait_s, lambda: self._let_go(worker))

    def _arrive(self, call: Call) -> None:
        item = self._items[call]
        amount = item.input_tokens if self.kind == "anthropic" else max(self.max_tokens, item.input_tokens)
        wait_s = self.provider.admit(amount, self._time())
        shown = self._headers()
        if wait_s > 0:
            self.refused_s.append(self.now_s)
            self._within(BACK_S, lambda: self._refused(call, math.ceil(wait_s), shown))
            return
        self.charged += amount
        self._at(self.now_s + item.latency_s, lambda: self._finish(call, shown))

    def _headers(self) -> dict[str, str]:
        show = self.provider.anthropic_headers if self.kind == "anthropic" else self.provider.openai_headers
        return show(self._time())

    def _finish(self, call: Call, shown: dict[str, str]) -> None:
        if self.kind == "anthropic":
            self.provider.answered(self._items[call].output_tokens, self._time())
        if self.at_end:
            shown = self._headers()
        self._within(BACK_S, lambda: self._answered(call, shown))

    def _answered(self, call: Call, shown: dict[str, str]) -> None:
        item = self._items.pop(call)
        self.ended.append((self.now_s, item))
        usage = Usage(item.input_tokens, item.output_tokens)
        self.cores[item.worker].answered(call, self.now_s, usage=usage, seen=headers.read(shown))
        self._let_go(item.worker)

    def _refused(self, call: Call, retry_after_s: float, shown: dict[str, str]) -> None:
        item = self._items.pop(call)
        self.cores[item.worker].refused(call, self.now_s, retry_after_s, headers.read(shown))
        self._ask(item)
        self._let_go(item.worker)


def items(
    count: int, *, bundle: int = 1, workers: int = 1, on_first: float | None = None, latency_s: float = 1.6, seed: int = 0
) -> list[Item]:
    """Calls as recorded (contract of the workload): 1,300 to 2,900 input tokens, 35 to 104 output tokens a comparison.

    on_first: the part of them that is the first worker's; None: evenly.
    """
    drawn = random.Random(seed)
    made = []
    for number in range(count):
        worker = number % workers if on_first is None else int(drawn.random() >= on_first)
        made.append(
            Item(
                worker,
                f"round-{number // 12}",
                sum(drawn.randint(1_300, 2_900) for _ in range(bundle)),
                sum(drawn.randint(35, 104) for _ in range(bundle)),
                latency_s * drawn.uniform(0.75, 1.4) * (1 + 0.3 * (bundle - 1)),
            )
        )
    return made
