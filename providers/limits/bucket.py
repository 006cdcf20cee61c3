"""One limit of one model: how full the provider's bucket is, as far as this worker knows."""

from collections import deque
from typing import NamedTuple

from providers.limits.charging import Kind
from providers.limits.headers import Seen
from providers.limits.headroom import Lag, Queue
from providers.limits.others import Others

MINUTE_S = 60.0
# Until the first answer shows its headers, a limit that is not known is taken to be that of the smallest accounts. One call
# goes at once and the others as the bucket refills: whoever used the account before may have left nothing in it.
_UNKNOWN = {Kind.REQUESTS: 50.0, Kind.INPUT_TOKENS: 40_000.0}
# Minutes without an answer (fewer where workers share the account) after which the last known level says little of the present
# one.
_STALE = 1.0
_STALE_SHARED = 0.25
# The share of the other workers' part that is left untouched while they seem idle: enough for the call by which they come back.
_LEFT_TO_IDLE = 0.1
# Minutes for which somebody who was noticed is expected to come again; until then the last calls leave most of the headroom.
_STRANGER_STAYS = 2.0
_WEIGHT = 0.1  # of the latest call in the mean
_ROUNDING = 1e-9


def reach_s(minute_s: float) -> float:
    """Seconds within which a call that is let go has met the provider's bucket: our own event loop, TLS, the way there."""
    return max(0.25, 0.5 * minute_s / MINUTE_S)


class Change(NamedTuple):
    """A change of the level; the calls under way that were sent at counted_from_s or later are counted in it, by estimate."""

    by: float
    counted_from_s: float


class Since(NamedTuple):
    """How the level may have changed since an answer's headers were written.

    That was at a time that is not known: they may have been on the way for as long as the call took, and other calls with them.
    least, most: by all refills and this worker's calls; least_of_share: by its share of the refills. own: what the answered
    call itself took.
    """

    least: Change
    least_of_share: Change
    most: Change
    own: float


class Bucket:
    """A continuous token bucket. `level` is never above what the provider holds, if only this worker calls.

    configured: the most a minute by setting, None: what the headers show. ours: the part of either that is roundbatch's,
    all workers together. full: it is full at the start. paced: while nothing is known of it, a few calls a second go (requests
    alone). share: this worker's part of what is ours.
    The provider's minute lasts `minute_s` (60; tests and `make compare` shorten it together with the simulator's).
    """

    def __init__(self, kind: Kind, configured: float | None, *, ours: float, minute_s: float, full: bool, paced: bool) -> None:
        self.kind = kind
        self.configured = configured
        self.ours = ours
        self.shown: float | None = None  # the provider's own limit, by its headers
        self.known = full and configured is not None
        guess = _UNKNOWN.get(kind) if paced else None
        self._unknown = ours * guess if guess is not None else None
        self.share = 1.0
        self.minute_s = minute_s
        # What this worker may take a minute (None: no limit, or none known), may have there at once, and gains a second.
        self.limit: float | None = None
        self.capacity: float | None = None
        self.rate = 0.0
        self._is_part = False  # all workers together may take less than the provider permits
        self._shown_at = self._heard_at = float("-inf")
        self._at: float | None = None
        self.level = ours * configured if full and configured is not None else 0.0
        self._usual = 0.0  # what calls take of it: a moving mean
        self._there: float | None = None  # what the provider's bucket holds, with this worker's share of its refill
        self._stale_s = _STALE * minute_s
        self._others = Others(self._stale_s)
        # Charges that may not have reached the provider yet: until they have, a full bucket there is losing its refill.
        self._fresh: deque[tuple[float, float]] = deque()
        self._fresh_sum = self._leaving = 0.0
        self._reach_s = reach_s(minute_s)
        self._measure()

    def set_share(self, share: float) -> None:
        """This worker's part of what is ours from now on."""
        self.share = share
        self._measure()
        if self.capacity is not None:
            self.level = min(self.level, self.capacity)

    def _measure(self) -> None:
        """Work out anew what follows from the limits, the share, and whether the level is known."""
        limits = [limit for limit in (self.configured, self.shown) if limit is not None]
        of_all = self.ours * min(limits) if limits else None
        self.limit = self.capacity = None if of_all is None else self.share * of_all
        self._is_part = of_all is not None and self.shown is not None and of_all < self.shown
        if self.is_guessed and self._unknown is not None:
            self.capacity = self.share * self._unknown
        self.rate = (self.capacity or 0.0) / self.minute_s

    @property
    def taken_by_others(self) -> float:
        """What others took since the start, as far as answers have shown."""
        return self._others.taken

    @property
    def is_guessed(self) -> bool:
        """Whether its limit is taken to be that of the smallest accounts."""
        return self._unknown is not None and self.limit is None and not self.known

    @property
    def _arriving(self) -> float:
        return 0.0 if self.limit is None else self._fresh_sum + self._leaving

    def refill(self, now_s: float) -> None:
        """Let time pass."""
        if self._at is None:
            self._at = now_s
        while self._fresh and self._fresh[0][0] + self._reach_s <= now_s:
            self._fill(self._fresh[0][0] + self._reach_s)
            self._fresh_sum -= self._fresh.popleft()[1]
        self._fill(now_s)
        if self.known and self.shown is not None and now_s - self._heard_at > self._stale_s:
            self.known = False
            self._measure()
            self.level = min(self.level, 0.0)
            self._there = None
            self._others.forget()

    def _fill(self, until_s: float) -> None:
        assert self._at is not None
        elapsed_s, self._at = max(0.0, until_s - self._at), max(self._at, until_s)
        if self.capacity is not None:
            self.level = max(self.level, min(self.level + elapsed_s * self.rate, self.capacity - self._arriving))
        if self.shown is not None:
            refilled, most = elapsed_s * self.shown / self.minute_s, self.shown - self._arriving
            self._others.refill(refilled, most)
            if self._there is not None:
                self._there = max(self._there, min(self._there + self.share * refilled, most))

    def wait_s(self, amount: float, now_s: float, *, first: bool, lag: Lag, queue: Queue) -> float:
        """Seconds until `amount` is there, 0 when it is; more than the bucket holds waits for a full one.

        first: nothing is under way that would show how full the bucket is; then one call goes to find out. While others wait
        behind it, a call leaves the headroom.
        """
        self.refill(now_s)
        if self.capacity is None or amount <= 0 or (first and not self.known):
            return 0.0
        needed = min(amount, self.capacity)
        wait_s = self._too_little_s(needed, now_s, lag, queue)
        lacking = needed - self.level
        if lacking <= _ROUNDING * self.capacity:
            return wait_s
        wait_s = max(wait_s, lacking / self.rate)
        if self._fresh and needed > self.capacity - self._arriving:  # nothing is added before what is fresh has arrived
            wait_s = max(wait_s, self._fresh[0][0] + self._reach_s - now_s)
        return wait_s + 1e-6

    def _too_little_s(self, needed: float, now_s: float, lag: Lag, queue: Queue) -> float:
        """Seconds until the provider's bucket holds what a call needs and the headroom."""
        if self._there is None or self.shown is None:
            return 0.0
        refill = self.shown / self.minute_s
        # What several workers notice is most often each other.
        beside = self.share == 1.0 and now_s - self._others.noticed_s < _STRANGER_STAYS * self.minute_s
        left = lag.headroom(needed, self._usual, self.shown, rate=self.rate, refill=refill, queue=queue, beside=beside)
        lacking = needed + left - self._there
        return lacking / (self.share * refill) + 1e-6 if lacking > _ROUNDING * self.shown else 0.0

    def _take(self, amount: float) -> None:
        self.level -= amount
        self._others.take(amount)
        if self._there is not None:
            self._there -= amount

    def charge(self, amount: float, now_s: float) -> None:
        """Take what a call will take."""
        self._take(amount)
        self._usual += (_WEIGHT if self._usual else 1.0) * (amount - self._usual)
        if amount > 0:
            self._fresh.append((now_s, amount))
            self._fresh_sum += amount

    def leaving(self, amount: float) -> None:
        """Note a charge whose call has not left yet."""
        self._leaving += amount

    def left(self, amount: float, now_s: float) -> None:
        """Note that a leaving call has left."""
        self._leaving -= amount
        self._fresh.append((now_s, amount))
        self._fresh_sum += amount

    def be_patient(self, between_calls_s: float) -> None:
        """Note how far apart the limits keep calls: silence for so long is no sign that an answer is old, or a worker idle."""
        self._stale_s = max(self.minute_s * (_STALE if self.share == 1.0 else _STALE_SHARED), 1.5 * between_calls_s)
        self._others.forget_s = self._stale_s

    def correct(self, more: float) -> None:
        """Take so much more (negative: give back), now that it is known better what a call took."""
        self._take(more)
        if more < 0 and self.capacity is not None:
            self.level = min(self.level, self.capacity)

    def observe(self, seen: Seen, since: Since, *, sent_s: float, now_s: float, refused: bool = False) -> float | None:
        """Take over what an answer showed to a call that was sent at `sent_s`; refused: one that should not have been sent.

        When the level was set to what was shown, returns a time: calls sent since then are counted in the level by their
        estimate, calls sent before by what the provider has taken for them.
        """
        self.refill(now_s)
        # Of answers that overtake each other the later sent knows better; a lower limit is believed at once.
        if self.shown is None or seen.limit < self.shown or sent_s >= self._shown_at:
            if seen.limit != self.shown:
                self._shown_at, self._there = now_s, None
            self.shown = seen.limit
        first = not self.known
        self.known, self._heard_at = True, now_s
        self._measure()
        assert self.limit is not None
        if seen.limit != self.shown and not refused:  # what was left under a limit that has changed since
            return None
        highest = seen.remaining + 1.0 + since.most.by  # what remains is told in whole numbers
        borrows = self._borrows(now_s)
        self._others.observe(seen.remaining + since.least.by, highest, self.shown, now_s)
        surely_there = seen.remaining + since.least_of_share.by
        self._there = surely_there if self._there is None else max(surely_there, min(self._there, highest))
        if refused or (borrows and not self._borrows(now_s)):
            self.level = min(self.level, self.share * seen.remaining)
        counted_from_s = None
        lowest, change = self._surely_mine(seen, since, first, now_s)
        if lowest > self.level:
            self.level, counted_from_s = lowest, change.counted_from_s
        if highest < self.level and not self._is_part:
            self.level, counted_from_s = highest, since.most.counted_from_s
        if first or self.share == 1.0:
            self.level = min(self.level, self.limit)
        return counted_from_s

    def _borrows(self, now_s: float) -> bool:
        """Whether the other workers are idle."""
        return self.share < 1.0 and now_s - self._others.seen_s > self._stale_s

    def _surely_mine(self, seen: Seen, since: Since, first: bool, now_s: float) -> tuple[float, Change]:
        """What this worker may take of what an answer shows to remain, and which change since that answer it counts in."""
        assert self.limit is not None
        assert self.shown is not None
        least, of_share = since.least, since.least_of_share
        if self._is_part:
            # What the provider would permit above that is not for this worker; but it shows that there is something.
            return min(self.limit, seen.remaining + least.by) if first else self.level, least
        if self.share == 1.0:
            return seen.remaining + least.by, least
        part = 1.0 - self.share
        if first:  # the others will have taken as much of their part as this worker of its own, or are about to
            return self.share * seen.remaining + of_share.by - part * since.own, of_share
        if self._borrows(now_s):  # what idle workers do not use: they look before they take it again
            return seen.remaining + least.by - _LEFT_TO_IDLE * part * self.shown, least
        return seen.remaining + of_share.by - part * self.shown, of_share

    def is_plenty(self, seen: Seen, now_s: float) -> bool:
        """Whether the bucket is more than half full and an answer says nothing new of it; then only its time is noted."""
        limit = self.limit
        plenty = self.known and limit is not None and seen.limit == self.shown and min(self.level, seen.remaining) > limit / 2
        if plenty:
            self._heard_at = now_s
        return plenty

    def heard_nothing(self, now_s: float) -> None:
        """Note an answer without this limit's headers: there is none, or only the configured one counts."""
        if self.shown is None and not self.known:
            self.refill(now_s)
            self.known = True
            self._measure()
            self.level = min(self.level, self.configured or 0.0)
