"""Evidence from counts that a judge is bent, or is not: e-values that may be looked at whenever one likes.

An *e-value* is what a gambler has made of 1 by betting on audits against a hypothesis under which nobody can expect to gain. If
the hypothesis is true, the chance that it ever reaches x is at most 1/x (Ville's inequality), however often one looks and
whenever one stops. The bets are fixed here, so the product over audits depends on the counts alone: it is the same after a
restart or a rebalance, and over several workers their counts are added. Source: Waudby-Smith and Ramdas, Estimating means of
bounded random variables by betting, JRSS B 86 (2024); the alarm is a sum over starts as in Shin, Ramdas and Rinaldo,
E-detectors (2203.03532).
"""

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.audited import EXCESS, Counts, Measure

BETS: Final = (0.05, 0.1, 0.2, 0.35, 0.55, 0.8)
"""Shares of what a single audit can lose at most. Small ones find small means, and large ones large means sooner."""
STARTS: Final = 45
"""Days of which each is a start of its own for the alarm: it finds what begins within so many days."""
MONTH: Final = 30
"""Days to which the bound on false alarms applies."""
FOR_GOOD: Final = 300.0
"""An e-value that a model whose three measures are all at 0 reaches in any of them with a chance of at most 1 %, ever."""
CERTAIN: Final = 20.0
"""The e-value of a certificate: wrong in at most 5 % of cases."""


def _log_sum(logs: Iterable[float]) -> float:
    parts = list(logs)
    most = max(parts)
    return most + math.log(math.fsum(math.exp(part - most) for part in parts))


def log_bets(values: Sequence[float], tolerance: float) -> list[list[float]]:
    """The natural log of what each bet makes of 1 at each value, against "the mean is at most `tolerance`".

    Shape (bets, values). A bet is scaled by the greatest loss, so that every factor is above 0. Errors: ValueError where no
    value is below the tolerance.
    """
    loss = tolerance - min(values)
    if loss <= 0:
        raise ValueError(f"no value of {list(values)} is below the tolerance {tolerance}: nothing can speak against it")
    return [[math.log1p(bet / loss * (value - tolerance)) for value in values] for bet in BETS]


def _made(counts: Counts, values: Sequence[float], tolerance: float) -> list[float]:
    """Log of what each bet has made of 1, against "the mean is at most `tolerance`"."""
    seen = [counts.get(value, 0) for value in values]
    return [math.fsum(n * log for n, log in zip(seen, logs, strict=True)) for logs in log_bets(values, tolerance)]


def _above(counts: Counts, values: Sequence[float], tolerance: float) -> float:
    """Log of the e-value of "the mean is at most `tolerance`", by a gambler who divides its money among all bets."""
    return _log_sum(_made(counts, values, tolerance)) - math.log(len(BETS))


def _mirrored(counts: Counts) -> dict[float, int]:
    return {-value: n for value, n in counts.items()}


def log_evidence(measure: Measure, counts: Counts, *, tolerance: float = 0.0) -> float:
    """Natural log of the e-value against "the mean of `measure` is at most `tolerance` (two-sided: at most that far from 0)".

    tolerance: in the measure's unit, a share (0.02 is 2 points). Errors: ValueError for a value that the measure cannot have.
    """
    _check(measure, counts)
    above = _above(counts, measure.values, tolerance)
    if not measure.two_sided:
        return above
    below = _above(_mirrored(counts), [-value for value in measure.values], tolerance)
    return _log_sum((above, below)) - math.log(2)


def log_wealth(measure: Measure, counts: Counts, *, tolerance: float = 0.0) -> dict[str, float]:
    """Natural log of what each bet has made of 1: `+0.05` on a mean above the tolerance, `-0.05` on one below.

    The e-value of `log_evidence` is the mean of what they have made. Of several workers' audits the logs of a bet add up.
    """
    _check(measure, counts)
    found = dict(zip((f"+{bet:g}" for bet in BETS), _made(counts, measure.values, tolerance), strict=True))
    if measure.two_sided:
        below = _made(_mirrored(counts), [-value for value in measure.values], tolerance)
        found |= zip((f"-{bet:g}" for bet in BETS), below, strict=True)
    return found


def _check(measure: Measure, counts: Counts) -> None:
    for value, n in counts.items():
        if value not in measure.values or n < 0:
            raise ValueError(f"{n} audits with {measure.name} {value}: it can be {', '.join(map(str, measure.values))}")


def alarm_threshold(*, models: int = 1, tests: int = 3, false_alarms: float = 0.01) -> float:
    """What `log_alarm` must reach (as a number, not a log) so that alarms are false in at most `false_alarms` of months.

    A month's looks concern the starts of its own days and those before that are still watched. The sum over them is a
    nonnegative supermartingale with that many ones put in, so by Doob's inequality it reaches x with a chance of at most
    (STARTS + MONTH) / x; all tests of all models share the allowance. 22,500 for one model with three tests at 1 %.
    """
    return (STARTS + MONTH) * tests * models / false_alarms


def log_alarm(measure: Measure, days: Sequence[Counts], *, tolerance: float = 0.0) -> float:
    """Natural log of the sum of e-values from each of the last `STARTS` days to now; `days` are counts by day, oldest first.

    So a judge that changes late is found as fast as one that was bent from the first day. -inf without days.
    """
    since: deque[float] = deque()
    counted: Counter[float] = Counter()
    for day in list(days)[: -STARTS - 1 : -1]:
        counted.update(day)
        since.append(log_evidence(measure, counted, tolerance=tolerance))
    return _log_sum(since) if since else -math.inf


class Finding(StrEnum):
    """What is known of a judge. There is no "ok" for lack of data."""

    FINE = "shown fine"
    NOT_KNOWN = "not known yet"
    BENT = "bent"

    def words(self, seen: int, wanted: int) -> str:
        """As a report says it, with how much has been seen of about how much that it takes to know."""
        return f"{self} ({seen} of about {wanted})" if self is Finding.NOT_KNOWN else self


@dataclass(frozen=True, slots=True)
class Standing:
    """What the counts of one measure show: the finding, the number of audits, and about how many it takes to show it fine.

    log10_bent: evidence that the mean is beyond the tolerance. log10_fine: evidence that it is within the margin.
    """

    finding: Finding
    audits: int
    wanted: int
    log10_bent: float
    log10_fine: float

    def words(self) -> str:
        """As a report says it."""
        return self.finding.words(self.audits, self.wanted)


def log_certificate(measure: Measure, counts: Counts, *, margin: float) -> float:
    """Natural log of the e-value against "the mean is `margin` or more (two-sided: or that far below 0)".

    Of the two sides the weaker one counts: whatever the truth outside of the margin is, one of them bets against it.
    """
    _check(measure, counts)
    below = _above(_mirrored(counts), [-value for value in measure.values], -margin)
    return min(below, _above(counts, measure.values, -margin)) if measure.two_sided else below


def standing(
    measure: Measure, counts: Counts, *, tolerance: float = 0.0, margin: float = 0.05, needed: float = FOR_GOOD
) -> Standing:
    """What one start of the counts shows. What is certified to be within `margin` is fine, even where it is surely not 0.

    needed: the e-value at which it counts as bent.
    """
    bent = log_evidence(measure, counts, tolerance=tolerance)
    fine = log_certificate(measure, counts, margin=margin)
    finding = Finding.BENT if bent >= math.log(needed) else Finding.NOT_KNOWN
    if fine >= math.log(CERTAIN):
        finding = Finding.FINE
    audits = sum(counts.values())
    return Standing(
        finding, audits, max(audits, audits_wanted(measure, counts, margin=margin)), bent / math.log(10), fine / math.log(10)
    )


def audits_wanted(measure: Measure, counts: Counts, *, margin: float) -> int:
    """About how many audits certify a judge whose true mean is 0, and whose noise is that of the counts.

    It is where the average course of the certificate reaches `CERTAIN`: half of all judges need fewer, and a tenth need 1.5
    times as many or more. Without counts a retest noise of 10 % is assumed.
    """
    at_null = null_shares(measure, counts)
    logs = log_bets([-value for value in measure.values], -margin)
    growth = [math.fsum(at_null[value] * log for value, log in zip(measure.values, of_bet, strict=True)) for of_bet in logs]
    low, high = 1, 2
    while _log_sum(high * each for each in growth) - math.log(len(BETS)) < math.log(CERTAIN):
        low, high = high, high * 2
        if high > 10_000_000:
            return high
    while high - low > 1:
        middle = (low + high) // 2
        reached = _log_sum(middle * each for each in growth) - math.log(len(BETS)) >= math.log(CERTAIN)
        low, high = (low, middle) if reached else (middle, high)
    return high


def null_shares(measure: Measure, counts: Counts) -> dict[float, float]:
    """The share of each value for a judge that is not bent and as noisy as the counts show, with four audits of prior.

    Of three answers drawn alike each is as often the odd one out, so excess is 1 once for every two times that it is -0.5;
    the other measures are as often v as -v.
    """
    prior = {0.0: 4 * 0.85, -measure.largest / 2: 4 * 0.1, measure.largest: 4 * 0.05}
    seen = {value: counts.get(value, 0) + prior.get(value, 0.0) for value in measure.values}
    total = math.fsum(seen.values())
    if measure is EXCESS:
        apart = (seen[-0.5] + seen[1.0]) / total
        return {-0.5: apart * 2 / 3, 0.0: 1 - apart, 1.0: apart / 3}
    return {value: (seen[value] + seen[-value]) / 2 / total for value in measure.values}
