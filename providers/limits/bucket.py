"""One limit of one model: how full the provider's bucket is, as far as this worker knows."""

from collections import deque

from providers.limits.charging import Kind
from providers.limits.headers import Seen

MINUTE_S = 60.0
# A limit of which nothing is known yet, in the seconds until the first answer shows its headers: at once, and a minute. Less
# than the smallest accounts permit (50 requests, 40,000 input tokens), for a worker before this one may have used some.
_UNKNOWN = {Kind.REQUESTS: (6.0, 50.0), Kind.INPUT_TOKENS: (16_000.0, 40_000.0)}
# A minute without an answer, or a quarter of one where workers share: what the bucket was then says little of what it is.
_STALE = 1.0
_STALE_SHARED = 0.25
# Workers that share take more than their part only in steps of so much of it: their views of what remains differ a little.
_BORROWED_AT_LEAST = 0.1
_ROUNDING = 1e-9


def reach_s(minute_s: float) -> float:
    """Seconds within which a call that is let go has met the provider's bucket: our own event loop, TLS, the way there."""
    return max(0.15, 0.5 * minute_s / MINUTE_S)


class Bucket:
    """A continuous token bucket. `level` is never above what the provider holds, if only this worker calls.

    configured: the most a minute by setting, None: what the headers show. full: it is full at the start. paced: while
    nothing is known of it, a few calls a second go (requests alone). share: this worker's part of it.
    The provider's minute lasts `minute_s` (60; tests and `make compare` shorten it together with the simulator's).
    """

    def __init__(self, kind: Kind, configured: float | None, *, minute_s: float, full: bool, paced: bool) -> None:
        self.kind = kind
        self.configured = configured
        self.shown: float | None = None  # the provider's own limit, by its headers
        self.known = full and configured is not None
        self._unknown = _UNKNOWN.get(kind) if paced else None
        self.share = 1.0
        self.minute_s = minute_s
        self._shown_at = self._heard_at = float("-inf")
        self._at: float | None = None
        self.level = 0.0
        if configured is None and self._unknown is not None:
            self.level = self._unknown[0]
        elif configured is not None and full:
            self.level = float(configured)
        # Charges that may not have reached the provider yet: until they have, a full bucket there is losing its refill.
        self._fresh: deque[tuple[float, float]] = deque()
        self._fresh_sum = 0.0
        self._reach_s = reach_s(minute_s)

    @property
    def limit(self) -> float | None:
        """What this worker may take a minute; None: no limit, or none known."""
        known = [limit for limit in (self.configured, self.shown) if limit is not None]
        return self.share * min(known) if known else None

    @property
    def capacity(self) -> float | None:
        """The most that may be there at once."""
        if self.limit is None and self._unknown is not None and not self.known:
            return self.share * self._unknown[0]
        return self.limit

    @property
    def rate(self) -> float:
        """Refill per second; 0 where there is no limit."""
        if self.limit is not None:
            return self.limit / self.minute_s
        return self.share * self._unknown[1] / self.minute_s if self._unknown is not None and not self.known else 0.0

    @property
    def _arriving(self) -> float:
        return 0.0 if self.limit is None else self._fresh_sum

    def refill(self, now_s: float) -> None:
        """Let time pass."""
        if self._at is None:
            self._at = now_s
        elapsed_s, self._at = max(0.0, now_s - self._at), max(self._at, now_s)
        while self._fresh and self._fresh[0][0] <= now_s - self._reach_s:
            self._fresh_sum -= self._fresh.popleft()[1]
        stale_s = self.minute_s * (_STALE if self.share == 1.0 else _STALE_SHARED)
        if self.known and self.shown is not None and now_s - self._heard_at > stale_s:
            self.known = False
            self.level = min(self.level, 0.0)
            elapsed_s = 0.0
        if self.capacity is not None:
            self.level = max(self.level, min(self.level + elapsed_s * self.rate, self.capacity - self._arriving))

    def wait_s(self, amount: float, now_s: float, *, first: bool) -> float:
        """Seconds until `amount` is there, 0 when it is; more than the bucket holds waits for a full one.

        first: nothing is under way that would show how full the bucket is; then one call goes to find out.
        """
        self.refill(now_s)
        if self.capacity is None or amount <= 0 or (first and not self.known):
            return 0.0
        needed = min(amount, self.capacity)
        lacking = needed - self.level
        if lacking <= _ROUNDING * self.capacity:
            return 0.0
        wait_s = lacking / self.rate
        if self._fresh and needed > self.capacity - self._arriving:  # nothing is added before what is fresh has arrived
            wait_s = max(wait_s, self._fresh[0][0] + self._reach_s - now_s)
        return wait_s + 1e-6

    def charge(self, amount: float, now_s: float) -> None:
        """Take what a call will take."""
        self.level -= amount
        if amount > 0:
            self._fresh.append((now_s, amount))
            self._fresh_sum += amount

    def correct(self, more: float) -> None:
        """Take so much more (negative: give back): a call's charge has become known better."""
        self.level -= more
        if more < 0 and self.capacity is not None:
            self.level = min(self.level, self.capacity)

    def observe(self, seen: Seen, since: tuple[float, float], *, sent_s: float, now_s: float) -> None:
        """Take over what an answer showed.

        since: the least and the most by which the level has changed since the answer's headers were written, at a time that is
        not known: they may have been on the way for as long as the call took, and other calls with them.
        """
        self.refill(now_s)
        # Of answers that overtake each other the later sent knows better; a lower limit is believed at once.
        if self.shown is None or seen.limit < self.shown or sent_s >= self._shown_at:
            if seen.limit != self.shown:
                self._shown_at = now_s
            self.shown = seen.limit
        first = not self.known
        self.known, self._heard_at = True, now_s
        limit = self.limit
        assert limit is not None
        least, most = since
        if self.configured is None or self.configured >= self.shown:
            # Where workers share, each may take its part of what remains: so what some leave unused goes to the others.
            lowest = min(self.share * seen.remaining + least, limit)
            step = 0.0 if self.share == 1.0 or first else _BORROWED_AT_LEAST * limit
            if lowest >= self.level + step:
                self.level = lowest
        elif first:
            self.level = max(self.level, min(limit, seen.remaining + least))
        self.level = min(self.level, limit, seen.remaining + 1.0 + most)

    def heard_nothing(self, now_s: float) -> None:
        """Note an answer without this limit's headers: there is none, or only the configured one counts."""
        if self.shown is None and not self.known:
            self.refill(now_s)
            self.known = True
            self.level = min(self.level, self.configured or 0.0)
