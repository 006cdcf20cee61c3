"""Intervals that cover: of a mean over audits, of a share, of agreement, of how well a stated confidence fits."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

from domain.audited import Counts, Measure

PSEUDO_AUDITS: Final = 2


class Interval(NamedTuple):
    """An estimate with its interval, in the unit of what is estimated (a share: 0.05 is 5 points)."""

    estimate: float
    low: float
    high: float

    @property
    def surely(self) -> bool:
        """Whether it leaves 0 out."""
        return not self.low <= 0 <= self.high


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def mean_interval(measure: Measure, counts: Counts, *, level: float = 0.95) -> Interval:
    """The mean of a measure over audits, with two pseudo-audits: one at plus and one at minus half of its largest value.

    They keep the interval from being too narrow where few audits show anything: at 50 audits and 10 % retest noise it covers in
    96 % of cases at the null, and Wald's, which has none, in 92 % (docs/quality.md). The estimate is the mean of audits alone;
    without any the interval is the whole range.
    """
    n = sum(counts.values())
    if not n:
        return Interval(0.0, measure.values[0], measure.largest)
    total = math.fsum(value * times for value, times in counts.items())
    squares = math.fsum(value * value * times for value, times in counts.items())
    pseudo = measure.largest / 2
    weight = n + PSEUDO_AUDITS
    mean = total / weight
    variance = max(0.0, (squares + PSEUDO_AUDITS * pseudo**2) / weight - mean**2) * weight / (weight - 1)
    reach = _z(level) * math.sqrt(variance / weight)
    return Interval(total / n, max(measure.values[0], mean - reach), min(measure.largest, mean + reach))


def clustered_interval(lines: Iterable[tuple[int, float]], *, level: float = 0.95) -> Interval:
    """The mean over audits that fail together by lines, of each of which are given its audits and the sum of their values.

    The error is that of lines, not of audits: where whole lines are garbled, an interval by audits covers in 3 of 4 cases only.
    The quantile is the normal one, so it takes some 30 lines. Errors: ValueError for fewer than two lines with audits.
    """
    given = [(n, total) for n, total in lines if n]
    if len(given) < 2:
        raise ValueError(f"{len(given)} lines with audits: an interval by lines takes at least 2")
    audits = sum(n for n, _ in given)
    mean = math.fsum(total for _, total in given) / audits
    off = math.fsum((total - n * mean) ** 2 for n, total in given)
    reach = _z(level) * math.sqrt(off * len(given) / (len(given) - 1)) / audits
    return Interval(mean, mean - reach, mean + reach)


def wilson(hits: int, n: int, *, level: float = 0.95) -> Interval:
    """A share and its interval by Wilson's score (1927), which is inside 0 … 1 at any count. Of none it is 0 … 1."""
    if not n:
        return Interval(0.0, 0.0, 1.0)
    z, share = _z(level), hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, centre - reach), min(1.0, centre + reach))


def kappa(agreed_a: int, agreed_b: int, only_first_a: int, only_second_a: int) -> float:
    """Cohen's kappa of two series of verdicts: how far they agree beyond chance, 1 at most; NaN where both are all A or all B.

    The counts of comparisons: both A, both B, A only in the first series, A only in the second.
    """
    n = agreed_a + agreed_b + only_first_a + only_second_a
    if not n:
        return math.nan
    first, second = (agreed_a + only_first_a) / n, (agreed_a + only_second_a) / n
    by_chance = first * second + (1 - first) * (1 - second)
    return math.nan if by_chance == 1 else ((agreed_a + agreed_b) / n - by_chance) / (1 - by_chance)


def stated(confidence: int) -> float:
    """The chance that a confidence of 1 … 5 states: 1 is a toss of a coin, 5 is certain."""
    return 0.5 + (confidence - 1) / 8


def calibration_error(by_confidence: Mapping[int, tuple[int, int]], *, level: float = 0.95) -> Interval:
    """The expected calibration error (ECE): by how much the share of agreement is off what the confidence states, on average.

    by_confidence: confidence 1 … 5 → (verdicts that agree with the single answers, all verdicts). The interval takes the sign
    of each deviation as known, so it is for a judge that is clearly off; near 0 the estimate is too high, by about
    0.4 / sqrt(verdicts) for each class.
    """
    classes: Sequence[tuple[float, int, int]] = [(stated(c), hits, n) for c, (hits, n) in by_confidence.items() if n]
    total = sum(n for _, _, n in classes)
    if not total:
        return Interval(0.0, 0.0, 1.0)
    error = math.fsum(abs(hits - n * says) for says, hits, n in classes) / total
    # One success and one failure more a class, as Agresti and Coull, so that a class in which all agree has an error too.
    shares = [((hits + 1) / (n + 2), n) for _, hits, n in classes]
    variance = math.fsum(n * share * (1 - share) for share, n in shares) / total**2
    reach = _z(level) * math.sqrt(variance)
    return Interval(error, max(0.0, error - reach), min(1.0, error + reach))
