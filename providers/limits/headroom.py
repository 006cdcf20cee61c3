"""What is left in a provider's bucket while calls wait, so that a stranger's next calls find something there.

A stranger is another program at the account. That he has come is seen only in the headers of our next answers, and until then
both take from the bucket. So while many calls wait the bucket is not emptied: it is held at the headroom, which is what refills
while our knowledge grows old. When the level is below that, the stranger has the bucket to himself and our calls wait. This
costs no throughput, for a bucket refills equally fast at every level below its limit, and the last calls that wait use the
headroom up. It also makes up for calls that reach the provider late, when a full bucket has lost some of its refill.
"""

from typing import NamedTuple

# The headroom is what refills in so many times the age of our knowledge. At once his rate in a burst is about that of the
# refill; the rest is for bursts within the burst, and for our not knowing when a call's headers were written.
_LAGS = 2.5
_ARRIVALS = 2.0  # and in so many times the time in which a call reaches the provider
_MOST = 0.2  # of the limit: slow calls would otherwise leave too little to work with
# Where a call is a large part of the limit, that is no room for a stranger's next calls, which may come within a second. There
# the headroom is so many calls, if they are not more than this part of the limit.
_CALLS, _MOST_FOR_CALLS = 5.0, 0.3
# Half of what the calls behind can use is left, and nothing to the last three: all of it is used when the last one goes.
_SOON, _LAST = 0.5, 3
_KEPT = 0.75  # of the headroom, by the last calls too, where a stranger is expected
_WEIGHT = 0.1  # of the latest call in the mean


class Queue(NamedTuple):
    """How many calls wait behind the one that is looked at, and how many may be at the provider at once."""

    behind: int
    at_once: int


class Lag:
    """How long calls take, which is how old what their headers tell may be: a moving mean."""

    def __init__(self, reach_s: float) -> None:
        """`reach_s`: in which a call reaches the provider."""
        self._reach_s = reach_s
        self._mean_s: float | None = None

    def note(self, took_s: float) -> None:
        """Note a call that is over."""
        self._mean_s = took_s if self._mean_s is None else self._mean_s + _WEIGHT * (took_s - self._mean_s)

    def headroom(
        self, amount: float, usual: float, limit: float, *, rate: float, refill: float, queue: Queue, beside: bool
    ) -> float:
        """What a call that takes `amount` is to leave in a bucket of this limit; `usual`: what calls take on average.

        rate: what this worker may take a second; refill: what the bucket gains a second. Calls are as far apart as the rate
        keeps them, and between two of them nothing is learned. The fewer calls wait behind, the less is left: `at_once` of them
        go in the time that one takes, and the bucket refills meanwhile. beside: a stranger is expected to come again; then most
        of the headroom is left to the end.
        """
        mean_s = self._mean_s or 0.0
        usable = _SOON * (queue.behind - _LAST) * (usual - refill * mean_s / queue.at_once)
        if usable <= 0.0 and not beside:
            return 0.0
        between_s = amount / rate if rate else 0.0
        wanted = refill * (_ARRIVALS * self._reach_s + _LAGS * (mean_s + between_s))
        wanted = max(min(wanted, _MOST * limit), min(_CALLS * usual, _MOST_FOR_CALLS * limit))
        wanted = max(0.0, min(wanted, (limit - amount) / 2))
        return min(wanted, max(usable, _KEPT * wanted if beside else 0.0))
