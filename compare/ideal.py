"""How fast a workload could be answered at best: what makespans are measured against."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from compare.case import DAY_S, UNTIL_NIGHT_S
from compare.limits import AccountSize


@dataclass(frozen=True, slots=True)
class Taken:
    """What the calls of a workload took of the limits, as the provider counts (uncached input at Anthropic, and so on).

    tokens: by call, in the order of their sending; rounds: the number of calls in each round; calls_s: how long
    each call took.
    """

    tokens: Sequence[float]
    rounds: Sequence[int]
    calls_s: Sequence[float]


def of_calls(taken: Taken, limits: AccountSize, *, concurrent_calls: int) -> float:
    """The shortest time in seconds: the longest that any one limit alone makes the workload take.

    requests, tokens: a bucket is full at the start and refills evenly. The last call may go when it has refilled what all calls
    together take beyond that first full bucket: after (total - limit) / (limit / 60); then that call takes its time. So the
    burst of a full bucket is granted to the ideal too; a worker that leaves a bucket full loses what would have been refilled.
    A call of more than the whole limit waits for a full bucket and owes the rest.
    order: rounds come one after another. Each takes as long as its longest call, and at least as long as all of its calls take
    with as many under way at a time as are allowed.
    Each limit is taken alone. That a round waits for the one before costs no tokens, for buckets refill meanwhile.
    """
    if not taken.calls_s:
        return 0.0
    calls = iter(taken.calls_s)
    by_round = [list(itertools.islice(calls, count)) for count in taken.rounds]
    return max(
        _last_s([1.0] * len(taken.tokens), limits.requests) + taken.calls_s[-1],
        _last_s(taken.tokens, limits.input_tokens) + taken.calls_s[-1],
        sum(max(*round_s, sum(round_s) / concurrent_calls) for round_s in by_round),
    )


def _last_s(amounts: Sequence[float], limit: float) -> float:
    if not amounts:
        return 0.0
    before, last = sum(amounts[:-1]), min(amounts[-1], limit)
    return max(0.0, (before + last - limit) * 60.0 / limit)


def of_batches(rounds: int, *, batch_s: float, nightly: bool) -> float:
    """No limit a minute concerns batches: there is one for each round, one after another; under nightly, one each 01:00."""
    return UNTIL_NIGHT_S + (rounds - 1) * DAY_S + batch_s if nightly else rounds * batch_s
