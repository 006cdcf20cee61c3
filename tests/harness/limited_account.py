"""Workers at one limited account in virtual time: the pure limits against the simulator's own buckets, an event at a time."""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
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
STRANGER_S = 3_600.0  # he is gone by then


@dataclass(frozen=True)
class Item:
    """A call's real tokens, how long it takes, and of which worker and round it is."""

    worker: int
    round_key: str
    input_tokens: int
    output_tokens: int
    latency_s: float


@dataclass(frozen=True)
class Stranger:
    """Another program at the account: it asks what it wants when it wants it, and does not ask again what was refused.

    wants: the part of the account's tokens that it takes, evenly over a period of burst_s and pause_s, all in the burst.
    """

    wants: float = 0.3
    burst_s: float = 20.0
    pause_s: float = 40.0
    first_s: float = 10.0

    def calls(self, limits: Limits, until_s: float, drawn: random.Random) -> Iterator[tuple[float, int]]:
        """When each of its calls reaches the provider, and its input tokens."""
        period_s = self.burst_s + self.pause_s
        start_s, owed = self.first_s, 0.0
        while start_s < until_s:
            owed += self.wants * (limits.tokens or 0) * period_s / limits.minute_s
            sizes = []
            while owed > 0:
                sizes.append(drawn.randint(1_300, 2_900))
                owed -= sizes[-1]
            for at_s, size in zip(sorted(drawn.uniform(0.0, self.burst_s) for _ in sizes), sizes, strict=True):
                yield start_s + at_s, size
            start_s += period_s


@dataclass
class Play:
    """A run. `items` are there at once, or no more of them than `in_hand`; `shares` is one for each worker."""

    kind: str
    limits: Limits
    items: list[Item]
    shares: tuple[float, ...] = (1.0,)
    concurrent_calls: int = 16
    max_tokens: int = 400
    at_end: bool = False  # the headers show the limits at the end of a call
    used: float = 0.0  # of the full buckets, before the start
    configured: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[tuple[float, dict[str, Any]], ...] = ()
    stranger: Stranger | None = None
    in_hand: int | None = None  # calls that are asked for or under way at the same time, of each worker
    reach_s: tuple[float, float] = REACH_S
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
        self.strange_s: list[float] = []  # when a call of the stranger was served
        self.strange_refused_s: list[float] = []
        self.strange_charged = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._items: dict[Call, Item] = {}
        self._wakes: dict[int, float] = {}
        for core, share in zip(self.cores, self.shares, strict=True):
            core.set_share(share)
        for at_s, change in self.changes:
            self._at(at_s, partial(self._change, change))
        self._later: dict[int, deque[Item]] = {}
        for item in self.items:
            self._later.setdefault(item.worker, deque()).append(item)
        for later in self._later.values():
            for _ in range(min(len(later), self.in_hand or len(later))):
                self._ask(later.popleft())
        for worker, core in enumerate(self.cores):
            core.behind = partial(self._behind, worker)
        if self.stranger is not None:
            strange = self.stranger.calls(self.limits, STRANGER_S, random.Random(self.seed + 1))
            for at_s, tokens in strange:
                self._at(at_s, partial(self._strange, tokens))
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

    @property
    def left_used(self) -> float:
        """What the workers used of the tokens that the stranger left them, from the start until their last call was let in."""
        before_s = self.ended[-1][0] - self.ended[-1][1].latency_s
        permitted = (self.limits.tokens or 0) * (1.0 + before_s / self.limits.minute_s)
        return self.charged / min(permitted - self.strange_charged, permitted * self.cores[0].limits_share)

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
            self._within(self.reach_s, partial(self._arrive, call))
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

    def _change(self, change: dict[str, Any]) -> None:
        self.provider.change(replace(self.limits, **change), self._time())

    def _behind(self, worker: int) -> int:
        return len(self._later.get(worker, ()))

    def _strange(self, tokens: int) -> None:
        if self.provider.admit(tokens, self._time()) > 0:
            self.strange_refused_s.append(self.now_s)
            return
        self.strange_s.append(self.now_s)
        self.strange_charged += tokens
        if self.kind == "anthropic":
            self._within((1.0, 2.0), lambda: self.provider.answered(70, self._time()))

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
        if self._later[item.worker]:
            self._let_go(item.worker)  # as a worker does, before the next is asked for
            self._ask(self._later[item.worker].popleft())
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
