"""The limits of one model at one account: buckets, calibration, and the pause after a refusal."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.back_off import BackOff
from domain.reply import Usage
from providers.limits.bucket import MINUTE_S, Bucket, Change, Since, reach_s
from providers.limits.calibration import Calibration
from providers.limits.charging import Amounts, Charging, Kind, Size
from providers.limits.headers import Seen
from providers.limits.headroom import Lag, Queue

REFUSED = BackOff(1.0, 60.0)  # where the provider does not say for how long
SHORTEST_WAIT_S = 0.1  # a Retry-After of 0 would be asked again in a tight loop
# A longer Retry-After is cut to this and then asked again: a wait of a day would outlive every deadline.
LONGEST_RETRY_AFTER_S = 900.0
_LONGEST_LEAVING_S = 2.0  # between a call's being granted and its being sent, in a process that is busy
# Where nothing is known of the limits, the first call goes alone: for so long, and then others follow at the slowest pace.
_ALONE_S = 4.0
_ALL, _NONE = -math.inf, math.inf  # calls under way that a Change counts


@dataclass(slots=True, eq=False)
class Call:
    """One call on its way through the limiter. `amounts` is what it is charged at present."""

    round_key: str
    model: str
    size: Size
    asked_s: float
    amounts: Amounts = field(default_factory=Amounts)
    sent_s: float = float("inf")  # not sent yet
    left_s: float = -math.inf  # when it went out to the network; math.inf: not yet. Drivers without a network leave it
    returned_s: float | None = None
    pauses: int = 0
    absorbed: list[bool] = field(
        default_factory=lambda: [False, False, False]
    )  # by kind: its level holds what this really took
    settled_before: float = 0.0  # output tokens of the calls that were over when this one was sent


class ModelLimits:
    """What calls of one model may take. Told the time; sleeps never."""

    def __init__(
        self,
        charging: Charging,
        configured: Mapping[Kind, float | None],
        *,
        ours: float = 1.0,
        minute_s: float = MINUTE_S,
        full: bool = False,
        paced: bool = True,
        share: float = 1.0,
    ) -> None:
        self._charging = charging
        self.buckets = {
            kind: Bucket(kind, configured.get(kind), ours=ours, minute_s=minute_s, full=full, paced=paced) for kind in Kind
        }
        self.input, self.output = Calibration(), Calibration()
        self.under_way = 0
        self._sent: deque[Call] = deque()  # by sent_s: those under way, and those that came back while an older one was
        self._reach_s = reach_s(minute_s)
        self._alone_s = _ALONE_S * minute_s / MINUTE_S
        self._lag = Lag(self._reach_s)
        self._resume_s = float("-inf")
        self._charged = self._settled = 0.0  # output tokens of all calls so far, and of those that are over
        self._refusals = 0  # pauses in a row without a success between them
        self.pauses = 0
        self.set_share(share)

    def set_share(self, share: float) -> None:
        """This worker's part of the account from now on."""
        for bucket in self.buckets.values():
            bucket.set_share(share)

    # -- before a call -------------------------------------------------------------------------------------------

    def estimate(self, size: Size) -> Amounts:
        """What a call of this size is charged before it is sent."""
        return self._charging.before(size, self.input.factor, self.output.factor)

    def wait_s(self, size: Size, now_s: float, queue: Queue) -> tuple[float, Kind | None]:
        """Seconds until a call of this size may go, and the limit it waits for: (0, None) when it may, None: a pause."""
        paused_s = self.paused_s(now_s)
        if paused_s > 0:
            return paused_s, None
        longest: tuple[float, Kind | None] = (0.0, None)
        for bucket, amount in zip(self.buckets.values(), self.estimate(size), strict=True):
            wait_s = bucket.wait_s(amount, now_s, first=not self.under_way, lag=self._lag, queue=queue)
            if bucket.is_guessed and self.under_way:
                wait_s = max(wait_s, self._sent[0].sent_s + self._alone_s - now_s)
            if wait_s > longest[0]:
                longest = wait_s, bucket.kind
        return longest

    def send(self, call: Call, now_s: float) -> None:
        """Charge a call that goes now."""
        call.amounts, call.sent_s, call.pauses = self.estimate(call.size), now_s, self.pauses
        for bucket in self.buckets.values():
            bucket.refill(now_s)
        pairs = list(zip(self.buckets.values(), call.amounts, strict=True))
        between_s = max(amount / bucket.rate if bucket.rate else 0.0 for bucket, amount in pairs)
        for bucket, amount in pairs:
            bucket.be_patient(between_s)
            bucket.charge(amount, now_s)
        call.settled_before = self._settled
        self._charged += call.amounts.output_tokens
        self._sent.append(call)
        self.under_way += 1

    def leaving(self, call: Call) -> None:
        """Note that a call which may go has not been sent yet: a busy event loop may take a while to send it."""
        call.left_s = math.inf
        for bucket, amount in zip(self.buckets.values(), call.amounts, strict=True):
            bucket.leaving(amount)

    def left(self, call: Call, now_s: float) -> None:
        """Note that a leaving call has been sent."""
        if call.left_s == math.inf:
            call.left_s = now_s
            for bucket, amount in zip(self.buckets.values(), call.amounts, strict=True):
                bucket.refill(now_s)
                bucket.left(amount, now_s)

    # -- after it ------------------------------------------------------------------------------------------------

    def correct(self, call: Call, amounts: Amounts) -> None:
        """Charge a call that was sent these amounts instead."""
        for place, bucket in enumerate(self.buckets.values()):
            if not call.absorbed[place]:
                bucket.correct(amounts[place] - call.amounts[place])
        self._charged += amounts.output_tokens - call.amounts.output_tokens
        call.amounts = amounts

    def used(self, call: Call, usage: Usage) -> None:
        """Correct a call by its usage, and learn from it for the next."""
        self.correct(call, self._charging.after(call.size, usage))
        self.input.note(self._charging.counted_input(usage), call.size.input_tokens)
        self.output.note(usage.completion_tokens, call.size.output_tokens)

    def observe(self, call: Call, seen: Mapping[Kind, Seen], now_s: float, *, complete: bool) -> None:
        """Take over the headers that answered a call; complete: what they leave out is not limited."""
        for place, bucket in enumerate(self.buckets.values()):
            shown = seen.get(bucket.kind)
            if shown is not None:
                bucket.refill(now_s)
                if bucket.is_plenty(shown, now_s) and complete:
                    continue
                since = self._changed_since(call, place, bucket, shown, now_s)
                counted_from_s = bucket.observe(shown, since, sent_s=call.sent_s, now_s=now_s, refused=not complete)
                if counted_from_s is not None:
                    self._absorb(call, place, counted_from_s)
            elif complete:
                bucket.heard_nothing(now_s)

    def returned(self, call: Call, now_s: float) -> None:
        """A call is over."""
        self._lag.note(now_s - call.sent_s)
        call.returned_s = now_s
        self.under_way -= 1
        self._settled += call.amounts.output_tokens
        oldest_s = next((other.sent_s for other in self._sent if other.returned_s is None), None)
        while self._sent and (oldest_s is None or self._sent[0].sent_s + self._reach_s + _LONGEST_LEAVING_S < oldest_s):
            self._sent.popleft()

    def _changed_since(self, call: Call, place: int, bucket: Bucket, shown: Seen, now_s: float) -> Since:
        """How the level may have changed between the writing of a call's headers and now.

        They were written at some time t after the call was sent. Since t the bucket has been refilled, and it has been charged
        the calls that were sent after t (the most), and those sent shortly before t too if they arrived after it (the least).
        """
        sent_s = call.sent_s
        rate = shown.limit / bucket.minute_s
        if self._charging.charged_late(bucket.kind):  # none under way is in what was shown, and perhaps not the call itself
            least = Change(call.settled_before - self._charged, _ALL)
            under_way = self._charged - self._settled - call.amounts[place]
            return Since(least, least, Change(rate * (now_s - sent_s) - under_way, _ALL), call.amounts[place])
        most, after = Change(0.0, _NONE), 0.0
        late: list[tuple[float, float, float]] = []  # by when it had arrived, when it was sent, its amount
        for other in reversed(self._sent):
            if other.sent_s < sent_s - self._reach_s - _LONGEST_LEAVING_S:
                break
            if other is call:
                continue
            arrived_s = max(other.sent_s, other.left_s) + self._reach_s
            if arrived_s >= sent_s and (other.returned_s is None or other.returned_s >= sent_s):
                late.append((arrived_s, other.sent_s, other.amounts[place]))
            if other.sent_s >= sent_s:
                most = max(most, Change(rate * (now_s - other.sent_s) - after, math.nextafter(other.sent_s, _NONE)))
                after += other.amounts[place]
        most = max(most, Change(rate * (now_s - sent_s) - after, math.nextafter(sent_s, _NONE)))
        least = of_share = Change(0.0, _NONE)
        reached, from_s = 0.0, _NONE
        for arrived_s, other_s, amount in sorted(late, reverse=True):
            reached, from_s = reached + amount, min(from_s, other_s)
            refilled = rate * max(0.0, now_s - arrived_s)
            least = min(least, Change(refilled - reached, from_s))
            of_share = min(of_share, Change(bucket.share * refilled - reached, from_s))
        return Since(least, of_share, most, call.amounts[place])

    def _absorb(self, call: Call, place: int, counted_from_s: float) -> None:
        """Fix the charge of calls that the shown level contains: what they took must not be taken again when they end."""
        for other in reversed(self._sent):
            if other.sent_s < counted_from_s and other.returned_s is None and other is not call:
                other.absorbed[place] = True

    # -- refusals ------------------------------------------------------------------------------------------------

    def paused_s(self, now_s: float) -> float:
        """Seconds until calls go on; 0 when they do."""
        return max(0.0, self._resume_s - now_s)

    def pause(self, now_s: float, retry_after_s: float | None, pauses: int) -> float:
        """Stop all calls for the time the provider said, else 1, 2, 4 … 60 s; return the seconds until they go on.

        `pauses`: how many there had been when the refused call was sent. The refusals of calls that were under way together
        count as one, or twenty concurrent calls would wait a minute for the first 429.
        """
        if pauses == self.pauses:
            self._refusals += 1
            self.pauses += 1
        if retry_after_s is None:
            wait_s = REFUSED.wait_s(self._refusals - 1)
        else:
            wait_s = min(LONGEST_RETRY_AFTER_S, max(SHORTEST_WAIT_S, retry_after_s))
        self._resume_s = max(self._resume_s, now_s + wait_s)
        return self.paused_s(now_s)

    def served(self) -> None:
        """Note a call that was not refused: the next refusal waits from 1 s again."""
        self._refusals = 0
