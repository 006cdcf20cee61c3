"""The limits of one account: which waiting calls may go now, and from what comes back, what the next may take.

A pure object: every method is told the time (seconds of any clock that never goes back) and none of them waits.
`providers.limits.limiter` drives it with the real clock, `make compare` with a virtual one:

    core = AccountLimits(Charging.ANTHROPIC, concurrent_calls=16, requests_per_minute=50)
    call = core.ask(round_key, model, Size(input_tokens, max_tokens), now_s)     a call stands in the queue
    for call in core.grants(now_s): …                                            it goes now, and is charged by estimate
    core.next_s(now_s)                                                           seconds until time alone lets another go
    core.answered(call, now_s, usage=…, seen=headers.read(…))                    it is over; charged what it took
    core.refused(call, now_s, retry_after_s, seen)                               429 or 529: nothing was taken, all calls pause
    core.withdrawn(call, now_s)                                                  it will not be sent, waiting or granted

After each of the last three, and when `next_s` has passed, `grants` is to be asked again. A refused call is asked anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.reply import Usage
from providers.limits.bucket import MINUTE_S
from providers.limits.charging import Amounts, Charging, Kind, Size
from providers.limits.fair_queue import FairQueue
from providers.limits.headers import Seen
from providers.limits.headroom import Queue
from providers.limits.model_limits import Call, ModelLimits

CONCURRENCY, PAUSE = "concurrency", "pause"
# Models come from requests: of more than this the one that was asked longest ago is forgotten.
_MOST_MODELS = 100


@dataclass(frozen=True, slots=True)
class LimitState:
    """One limit: what this worker may take a minute (None: no limit, or none known), and what of it is left.

    Below 0: used in advance. taken_by_others: since the start, by other programs and other workers, as far as headers showed.
    """

    limit: float | None
    remaining: float | None
    taken_by_others: float = 0.0


@dataclass(frozen=True, slots=True)
class AccountState:
    """What the metrics show of an account.

    limits: by model and kind (requests, input_tokens, output_tokens). throttled_s: by model and what calls waited for (these
    kinds, concurrency, pause): seconds in which at least one call stood there. paused_s: by model, where calls are paused.
    share: this worker's, of what is all workers' together: limits_share of the account.
    """

    limits: dict[str, dict[str, LimitState]]
    throttled_s: dict[tuple[str, str], float]
    paused_s: dict[str, float]
    waiting: int
    under_way: int
    concurrent_calls: int
    share: float
    limits_share: float = 1.0


class AccountLimits:
    """Requests, tokens and concurrent calls of one account; the former two by model.

    A configured limit holds beside the one that the headers show; None: only what the headers show. limits_share: the part of
    either that is roundbatch's, all workers together; what is left of the account is for other programs. full_at_start: the
    configured buckets start full, as after a minute in which nobody used the account; otherwise the first answers tell how full
    they are. paced_at_start: calls are paced before the first answer too, since most accounts have limits.
    """

    def __init__(
        self,
        charging: Charging,
        *,
        concurrent_calls: int,
        requests_per_minute: float | None = None,
        input_tokens_per_minute: float | None = None,
        output_tokens_per_minute: float | None = None,
        limits_share: float = 1.0,
        minute_s: float = MINUTE_S,
        full_at_start: bool = False,
        paced_at_start: bool = True,
    ) -> None:
        self.concurrent_calls = concurrent_calls
        self.share = 1.0
        self.limits_share = limits_share
        self.under_way = 0
        self.behind: Callable[[], int] = lambda: 0  # calls that are not asked for yet, and will be
        self._charging = charging
        self._configured = {
            Kind.REQUESTS: requests_per_minute,
            Kind.INPUT_TOKENS: input_tokens_per_minute,
            Kind.OUTPUT_TOKENS: output_tokens_per_minute,
        }
        self._minute_s, self._full, self._paced = minute_s, full_at_start, paced_at_start
        self._models: dict[str, ModelLimits] = {}  # the one asked last stands last
        self._queue: FairQueue[Call] = FairQueue()
        self._held_back: dict[str, str] = {}  # model → what its next call waits for, since _held_back_s
        self._held_back_s = 0.0
        self._throttled_s: dict[tuple[str, str], float] = {}

    @property
    def waiting(self) -> int:
        """Calls that stand in the queue."""
        return len(self._queue)

    def model(self, name: str) -> ModelLimits:
        """The limits of one model."""
        limits = self._models.pop(name, None)
        if limits is None:
            limits = ModelLimits(
                self._charging,
                self._configured,
                ours=self.limits_share,
                minute_s=self._minute_s,
                full=self._full,
                paced=self._paced,
                share=self.share,
            )
            if len(self._models) >= _MOST_MODELS:
                self._forget_one()
        self._models[name] = limits
        return limits

    def _forget_one(self) -> None:
        waiting = self._queue.models()
        idle = (name for name, limits in self._models.items() if not limits.under_way and name not in waiting)
        oldest = next(idle, None)
        if oldest is not None:
            del self._models[oldest]

    def set_share(self, share: float) -> None:
        """This worker's part of the account from now on, above 0 and at most 1: partitions held of all."""
        if not 0.0 < share <= 1.0:
            raise ValueError(f"share={share}: must be above 0 and at most 1")
        self.share = share
        for limits in self._models.values():
            limits.set_share(share)

    def ask(self, round_key: str, model: str, size: Size, now_s: float) -> Call:
        """Put a call into the queue; fair between rounds, in order within one."""
        call = Call(round_key, model, size, now_s)
        self._queue.push(model, round_key, call, float(size.input_tokens))
        return call

    def grants(self, now_s: float) -> list[Call]:
        """The calls that may go now; each has been charged, and takes one of the concurrent calls until it is over."""
        self._note_throttled(now_s)
        granted: list[Call] = []
        held_back: dict[str, str] = {}
        while True:
            models = [model for model in self._queue.models() if model not in held_back]
            if not models:
                break
            model = models[0]
            if self.under_way >= self.concurrent_calls:
                held_back.update(dict.fromkeys(models, CONCURRENCY))
                break
            limits = self.model(model)
            wait_s, kind = limits.wait_s(self._queue.head(model).size, now_s, self._queued())
            if wait_s > 0:
                held_back[model] = PAUSE if kind is None else kind.value
                continue
            call = self._queue.pop(model)
            limits.send(call, now_s)
            self.under_way += 1
            granted.append(call)
        self._held_back = held_back
        return granted

    def _queued(self) -> Queue:
        return Queue(self.waiting - 1 + self.behind(), self.concurrent_calls)

    def _note_throttled(self, now_s: float) -> None:
        for model, what in self._held_back.items():
            key = (model, what)
            self._throttled_s[key] = self._throttled_s.get(key, 0.0) + max(0.0, now_s - self._held_back_s)
        self._held_back_s = now_s

    def next_s(self, now_s: float) -> float | None:
        """Seconds until a waiting call may go if nothing else happens; None: only the end of another call lets one go."""
        if self.under_way >= self.concurrent_calls:
            return None
        queue = self._queued()
        waits = [self.model(model).wait_s(self._queue.head(model).size, now_s, queue)[0] for model in self._queue.models()]
        return min(waits, default=None)

    def answered(
        self, call: Call, now_s: float, *, usage: Usage | None = None, seen: Mapping[Kind, Seen] | None = None
    ) -> None:
        """A call is over.

        usage None: what it took is not known, and its estimate stays charged. seen None: no answer was heard.
        """
        limits = self.model(call.model)
        limits.left(call, now_s)
        if usage is not None:
            limits.used(call, usage)
        if seen is not None:
            limits.observe(call, seen, now_s, complete=True)
            limits.served()
        self._over(limits, call, now_s)

    def refused(self, call: Call, now_s: float, retry_after_s: float | None, seen: Mapping[Kind, Seen] | None = None) -> float:
        """A call got 429 or 529 and took nothing. Returns the seconds for which all calls of its model pause."""
        limits = self.model(call.model)
        limits.left(call, now_s)
        limits.correct(call, Amounts())
        limits.observe(call, seen or {}, now_s, complete=False)
        self._over(limits, call, now_s)
        return limits.pause(now_s, retry_after_s, call.pauses)

    def leaving(self, call: Call) -> None:
        """Note that a granted call will be sent, but has not been yet, so that the provider has not counted it."""
        self.model(call.model).leaving(call)

    def left(self, call: Call, now_s: float) -> None:
        """Note that a granted call goes out to the network."""
        self.model(call.model).left(call, now_s)

    def withdrawn(self, call: Call, now_s: float) -> None:
        """A call will not be sent."""
        if self._queue.remove(call.model, call.round_key, call):
            return
        limits = self.model(call.model)
        limits.left(call, now_s)
        limits.correct(call, Amounts())
        self._over(limits, call, now_s)

    def _over(self, limits: ModelLimits, call: Call, now_s: float) -> None:
        limits.returned(call, now_s)
        self.under_way -= 1

    def state(self, now_s: float) -> AccountState:
        """What the metrics show."""
        self._note_throttled(now_s)
        limits: dict[str, dict[str, LimitState]] = {}
        for name, one in self._models.items():
            limits[name] = {}
            for kind, bucket in one.buckets.items():
                bucket.refill(now_s)
                limits[name][kind.value] = LimitState(
                    bucket.limit, None if bucket.limit is None else bucket.level, bucket.taken_by_others
                )
        paused = {name: one.paused_s(now_s) for name, one in self._models.items()}
        return AccountState(
            limits=limits,
            throttled_s=dict(self._throttled_s),
            paused_s={name: seconds for name, seconds in paused.items() if seconds},
            waiting=self.waiting,
            under_way=self.under_way,
            concurrent_calls=self.concurrent_calls,
            share=self.share,
            limits_share=self.limits_share,
        )


def only_concurrent(calls: int) -> AccountLimits:
    """The limits of an account of which nothing but its concurrent calls is bounded, unless an answer's headers say so."""
    return AccountLimits(Charging.OPENAI, concurrent_calls=calls, paced_at_start=False)
