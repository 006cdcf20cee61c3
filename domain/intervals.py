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


def student(level: float, freedom: int) -> float:
    """Student's quantile for a two-sided interval, by Fisher's expansion: right to 2 % from 3 degrees of freedom on."""
    z = _z(level)
    terms = (
        z**3 + z,
        5 * z**5 + 16 * z**3 + 3 * z,
        3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z,
        79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z,
    )
    parts = zip(terms, (4, 96, 384, 92_160), strict=True)
    return z + math.fsum(term / (share * freedom**n) for n, (term, share) in enumerate(parts, start=1))


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


def clustered_interval(lines: Iterable[tuple[int, float]], *, level: float = 0.95, pseudo: float = 0.0) -> Interval:
    """The mean over audits that fail together by lines, of each of which are given its audits and the sum of their values.

    The error is that of lines, not of audits: where whole lines are garbled, an interval by audits covers in 3 of 4 cases only.
    The quantile is Student's, for there may be few lines. pseudo: two lines of one audit more, at plus and at minus so much,
    widen the interval as in `mean_interval`. Errors: ValueError for fewer than two lines with audits.
    """
    given = [(n, total) for n, total in lines if n]
    if len(given) < 2:
        raise ValueError(f"{len(given)} lines with audits: an interval by lines takes at least 2")
    audits = sum(n for n, _ in given)
    estimate = math.fsum(total for _, total in given) / audits
    quantile = student(level, len(given) - 1)
    if pseudo:
        given += [(1, pseudo), (1, -pseudo)]
        audits += 2
    mean = math.fsum(total for _, total in given) / audits
    off = math.fsum((total - n * mean) ** 2 for n, total in given)
    reach = quantile * math.sqrt(off * len(given) / (len(given) - 1)) / audits
    return Interval(estimate, mean - reach, mean + reach)


class OfPair(NamedTuple):
    """What is known of a pair: its two essays, its audits and the sum of their values."""

    essays: tuple[int, int]
    audits: int
    total: float


def at_large(pairs: Sequence[OfPair], by_lines: Interval, *, level: float = 0.95) -> Interval:
    """The same mean for other essays like these: its interval by leaving out one essay after the other (the jackknife).

    `by_lines` is the interval for just these pairs; this one has the same middle and is never narrower. The jackknife counts
    what is peculiar to a pair with each of its two essays, so that is taken off once. -1 … 1 where every pair has an essay in
    common with all others, or there are less than four essays, for then nothing is known of others.
    """
    audits = sum(pair.audits for pair in pairs)
    total = math.fsum(pair.total for pair in pairs)
    with_essay: dict[int, tuple[int, float]] = {}
    for pair in pairs:
        for essay in set(pair.essays):
            n, value = with_essay.get(essay, (0, 0.0))
            with_essay[essay] = (n + pair.audits, value + pair.total)
    essays = len(with_essay)
    if essays < 4 or any(n == audits for n, _ in with_essay.values()):
        return Interval(by_lines.estimate, -1.0, 1.0)
    without = [(total - value) / (audits - n) for n, value in with_essay.values()]
    middle = math.fsum(without) / essays
    mean = total / audits
    jackknife = (essays - 1) / essays * math.fsum((one - middle) ** 2 for one in without)
    of_pairs = math.fsum((pair.total - pair.audits * mean) ** 2 for pair in pairs) / audits**2
    here = (by_lines.high - by_lines.low) / 2
    reach = max(here, student(level, essays - 1) * math.sqrt(max(0.0, jackknife - of_pairs)))
    centre = by_lines.low + here
    return Interval(by_lines.estimate, centre - reach, centre + reach)


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


class Calibration(NamedTuple):
    """How well a stated confidence fits.

    by_confidence: 1 … 5 → (verdicts that a single answer agrees with, all). error: the expected calibration error (ECE).
    by_chance: what a confidence that fits would show of it with so few verdicts. too_sure: by how much more than the share of
    agreement is stated on average.
    """

    by_confidence: dict[int, tuple[int, int]]
    error: Interval
    by_chance: float
    too_sure: float


def calibration(agreed: Iterable[tuple[float, bool]]) -> Calibration:
    """Of verdicts: the confidence of each, and whether another answer to the same pair agreed."""
    counts: dict[int, tuple[int, int]] = {}
    for confidence, agrees in agreed:
        hits, n = counts.get(round(confidence), (0, 0))
        counts[round(confidence)] = (hits + agrees, n + 1)
    total = sum(n for _, n in counts.values()) or 1
    # The mean of |x| for a normal x is sqrt(2/pi) of its standard deviation.
    chance = math.fsum(math.sqrt(2 / math.pi * n * stated(c) * (1 - stated(c))) for c, (_, n) in counts.items()) / total
    too_sure = math.fsum(n * stated(c) - hits for c, (hits, n) in counts.items()) / total
    return Calibration(dict(sorted(counts.items())), calibration_error(counts), chance, too_sure)


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
