"""What the answers of an experiment show: of single answers, of each other way of asking, and of batch jobs against calls."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Final, NamedTuple

from domain.audited import EXCESS, POSITION, SHIFT, Audited, Measure
from domain.census import THIRDS
from domain.evidence import Finding
from domain.experiment import TIMES, Answers, Series, Verdict, Way
from domain.intervals import (
    Calibration,
    Interval,
    OfPair,
    at_large,
    calibration,
    clustered_interval,
    kappa,
    mean_interval,
    student,
    wilson,
)

FALSE: Final = 0.05
"""Share of experiments with an honest judge, at most, in which any way is called bent. So it is with what slots do in any way,
and with batch jobs beside calls."""
MOST_TIMES: Final = 100
"""It is never said that more than so many times the pairs asked are wanted."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back. ways: the first is the baseline. essays: of each pair. asked: series → pairs asked."""

    ways: Sequence[Way]
    essays: Sequence[tuple[int, int]]
    answers: Answers
    asked: Mapping[Series, int]


@dataclass(frozen=True, slots=True)
class Singles:
    """What single answers of a way show: pairs, how often two of them differ, how often a swap changes who wins, and position.

    kappa: of two answers to the same pair. confidence: of the first answer, by the second.
    """

    way: Way
    pairs: int
    retest: Interval
    flips: Interval
    position: Interval
    kappa: float
    confidence: Calibration


@dataclass(frozen=True, slots=True)
class Slots:
    """What slots do. shift: by third, how much more often A wins there than in single answers.

    late: how much more often the same pair goes to A in the last third than in another slot, over the pairs that were in both.
    differ: whether that is surely not 0.
    """

    shift: tuple[Interval, ...]
    late: Interval
    late_pairs: int
    differ: bool


@dataclass(frozen=True, slots=True)
class Arm:
    """What one way shows against the baseline, by the pairs that have all answers.

    audits: answers to them. lines: bundles of different pairs. missing: answers that were asked for and are not usable.
    excess_at_large, shift_at_large: for other essays like these. agreement, kappa, confidence: by the first single answer.
    retest: how often its own two answers differ. slots: of bundles. wanted: about how many pairs it takes to know.
    """

    way: Way
    pairs: int
    audits: int
    lines: int
    missing: int
    excess: Interval
    shift: Interval
    excess_at_large: Interval
    shift_at_large: Interval
    agreement: Interval
    kappa: float
    confidence: Calibration
    retest: Interval
    slots: Slots | None
    finding: Finding
    wanted: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """A way in batch jobs against the same by calls, by the same pairs: how much more excess, and how much more often A.

    differ: whether either is surely not 0.
    """

    batch: Way
    pairs: int
    excess: Interval
    shift: Interval
    differ: bool


@dataclass(frozen=True, slots=True)
class Found:
    """All findings. The first of `singles` is the baseline."""

    singles: tuple[Singles, ...]
    arms: tuple[Arm, ...]
    contrasts: tuple[Contrast, ...]

    @property
    def widest(self) -> float:
        """Half of the widest interval of excess or shift: all arms are known to plus or minus so much."""
        return max((reach(one) for arm in self.arms for one in (arm.excess, arm.shift)), default=0.0)


def find(seen: Seen, *, margin: float) -> Found:
    """What the answers show. A way is fine where its 95 % intervals of excess and shift are within the margin.

    It is bent where it is not fine, and excess is surely above 0 or shift surely not 0. The level of these intervals is 99 %,
    or so much more that `FALSE` is kept. An excess below 0 is no fault: such bundles are less noisy than single answers.
    """
    single = _Singly(*(seen.answers.get(series, {}) for series in _single_series(seen.ways[0])))
    sums = {way: dict(_sums(way, seen.answers, single)) for way in seen.ways[1:]}
    arms = seen.ways[1:]
    levels = _Levels(margin, _sure(2 * len(arms)), _sure(sum(way.size > 1 for way in arms)))
    both = [way for way in arms if way.batch and not seen.ways[0].batch]
    return Found(
        tuple(_singles(way, seen.answers) for way in seen.ways if way.size == 1),
        tuple(_arm(way, seen, single, sums[way], levels) for way in arms),
        tuple(_contrast(way, sums[way], sums.get(way._replace(batch=False)), _sure(2 * len(both))) for way in both),
    )


class _Levels(NamedTuple):
    """The margin of what is fine, and the levels at which a way is bent and its slots differ."""

    margin: float
    bent: float
    slots: float


def _sure(tests: int) -> float:
    """The level at which so many tests together are wrong in at most `FALSE` of cases."""
    return max(0.99, 1 - FALSE / max(1, tests))


def reach(found: Interval) -> float:
    """Half of an interval's width."""
    return (found.high - found.low) / 2


class _Singly(NamedTuple):
    """The baseline's answers."""

    first: Mapping[int, Verdict]
    second: Mapping[int, Verdict]
    swapped: Mapping[int, Verdict]

    def audit(self, pair: int, a_won: bool) -> Audited | None:
        """The audit of an answer to a pair; None where an answer beside it is missing."""
        if pair in self.first and pair in self.second and pair in self.swapped:
            return Audited(a_won, self.first[pair].a_won, self.second[pair].a_won, self.swapped[pair].a_won)
        return None


class _Sum(NamedTuple):
    """Audits of a pair in one way, and their sums; `together` as in `Verdict`."""

    together: int
    audits: int
    excess: float
    shift: float

    def of(self, measure: Measure) -> float:
        return self.excess if measure is EXCESS else self.shift


def _single_series(way: Way) -> tuple[Series, Series, Series]:
    return Series(way, 0), Series(way, 1), Series(way, swapped=True)


def _sums(way: Way, answers: Answers, single: _Singly) -> Iterator[tuple[int, _Sum]]:
    there = [answers.get(Series(way, nth), {}) for nth in range(TIMES)]
    for pair in sorted({pair for of in there for pair in of}):
        given = [of[pair] for of in there if pair in of]
        audits = [audit for one in given if (audit := single.audit(pair, one.a_won)) is not None]
        if audits:
            excess, shift = sum(audit.excess for audit in audits), sum(audit.shift for audit in audits)
            yield pair, _Sum(given[0].together, len(audits), excess, shift)


def _singles(way: Way, answers: Answers) -> Singles:
    of = _Singly(*(answers.get(series, {}) for series in _single_series(way)))
    both = sorted(of.first.keys() & of.second.keys())
    won = Counter((of.first[pair].a_won, of.second[pair].a_won) for pair in both)
    audits = [audit for pair in both if (audit := of.audit(pair, of.first[pair].a_won)) is not None]
    return Singles(
        way,
        len(audits),
        wilson(won[True, False] + won[False, True], len(both)),
        wilson(sum(audit.flipped for audit in audits), len(audits)),
        mean_interval(POSITION, Counter(audit.position for audit in audits)),
        _kappa(won),
        calibration((of.first[pair].confidence, of.first[pair].a_won == of.second[pair].a_won) for pair in both),
    )


def _kappa(won: Counter[tuple[bool, bool]]) -> float:
    return kappa(won[True, True], won[False, False], won[True, False], won[False, True])


def _arm(way: Way, seen: Seen, single: _Singly, sums: Mapping[int, _Sum], levels: _Levels) -> Arm:
    margin, sure = levels.margin, levels.bent
    there = [seen.answers.get(Series(way, nth), {}) for nth in range(TIMES)]
    excess, shift = _mean(sums, EXCESS), _mean(sums, SHIFT)
    within = bool(sums) and excess.high < margin and -margin < shift.low and shift.high < margin
    bent = _mean(sums, EXCESS, level=sure).low > 0 or _mean(sums, SHIFT, level=sure).surely
    beside = [(verdict, single.first[pair].a_won) for of in there for pair, verdict in of.items() if pair in single.first]
    won = Counter((verdict.a_won, alone) for verdict, alone in beside)
    again = [there[0][pair].a_won != there[1][pair].a_won for pair in there[0] if pair in there[1]]
    return Arm(
        way=way,
        pairs=len(sums),
        audits=sum(of.audits for of in sums.values()),
        lines=len({of.together for of in sums.values()}),
        missing=sum(seen.asked.get(Series(way, nth), 0) for nth in range(TIMES)) - sum(map(len, there)),
        excess=excess,
        shift=shift,
        excess_at_large=_at_large(sums, EXCESS, excess, seen.essays),
        shift_at_large=_at_large(sums, SHIFT, shift, seen.essays),
        agreement=wilson(won[True, True] + won[False, False], len(beside)),
        kappa=_kappa(won),
        confidence=calibration((verdict.confidence, verdict.a_won == alone) for verdict, alone in beside),
        retest=wilson(sum(again), len(again)),
        slots=None if way.size == 1 else _slots(there, single, levels.slots),
        finding=Finding.FINE if within else Finding.BENT if bent else Finding.NOT_KNOWN,
        wanted=_wanted(len(sums), (excess, shift), margin),
    )


def _mean(sums: Mapping[int, _Sum], measure: Measure, *, level: float = 0.95) -> Interval:
    return _by_lines(((of.together, of.audits, of.of(measure)) for of in sums.values()), measure, level)


def _by_lines(values: Iterable[tuple[int, int, float]], measure: Measure, level: float = 0.95) -> Interval:
    """The mean of values of which are given the pairs they were asked with, their number and their sum."""
    lines: dict[int, tuple[int, float]] = {}
    for together, n, total in values:
        before, sum_before = lines.get(together, (0, 0.0))
        lines[together] = (before + n, sum_before + total)
    low, high = measure.values[0], measure.largest
    if len(lines) < 2:
        return Interval(0.0, low, high)
    found = clustered_interval(lines.values(), level=level, pseudo=high / 2)
    return Interval(found.estimate, max(low, found.low), min(high, found.high))


def _at_large(sums: Mapping[int, _Sum], measure: Measure, by_lines: Interval, essays: Sequence[tuple[int, int]]) -> Interval:
    pairs = [OfPair(essays[pair], of.audits, of.of(measure)) for pair, of in sums.items()]
    found = at_large(pairs, by_lines)
    return Interval(found.estimate, max(measure.values[0], found.low), min(measure.largest, found.high))


def _slots(there: Sequence[Mapping[int, Verdict]], single: _Singly, level: float) -> Slots:
    by_third: list[list[tuple[int, int, float]]] = [[] for _ in range(THIRDS)]
    for of in there:
        for pair, verdict in of.items():
            audit = single.audit(pair, verdict.a_won)
            if audit is not None:
                by_third[verdict.third].append((verdict.together, 1, audit.shift))
    late = []
    for pair in there[0].keys() & there[1].keys():
        one, other = sorted((of[pair] for of in there), key=lambda verdict: verdict.third)
        if one.third < other.third == THIRDS - 1:
            late.append((one.together, 1, float(other.a_won - one.a_won)))
    differ = _by_lines(late, SHIFT, level).surely
    return Slots(tuple(_by_lines(values, SHIFT) for values in by_third), _by_lines(late, SHIFT), len(late), differ)


def _contrast(way: Way, batch: Mapping[int, _Sum], calls: Mapping[int, _Sum] | None, sure: float) -> Contrast:
    """`calls` None: the way by calls is the baseline, which is 0 in both measures."""
    pairs = [pair for pair in batch if calls is None or pair in calls]

    def apart(measure: Measure, level: float = 0.95) -> Interval:
        values = []
        for pair in pairs:
            one, other = batch[pair], None if calls is None else calls[pair]
            value = one.of(measure) / one.audits - (0.0 if other is None else other.of(measure) / other.audits)
            values.append((one.together, 1, value))
        return _by_lines(values, SHIFT, level)

    differ = apart(EXCESS, sure).surely or apart(SHIFT, sure).surely
    return Contrast(way, len(pairs), apart(EXCESS), apart(SHIFT), differ)


def _wanted(pairs: int, found: Iterable[Interval], margin: float) -> int:
    """About how many pairs it takes to know, if the means stay as they are.

    That is: until all intervals are within the margin, or one leaves 0 out (for which they must be 1.4 times as narrow, for its
    level is higher), whichever is sooner.
    """
    fine, bent = 1.0, inf
    for one in found:
        estimate, width = abs(one.estimate), reach(one)
        fine = max(fine, (width / (margin - estimate)) ** 2 if estimate < margin else inf)
        bent = min(bent, (1.4 * width / estimate) ** 2 if estimate else inf)
    return ceil(pairs * min(max(1.0, min(fine, bent)), MOST_TIMES))


def pairs_for(retest: float, precision: float, size: int) -> int:
    """About how many pairs bring all intervals to plus or minus `precision`, if bundles are judged as single calls are.

    retest: how often two single answers differ. size: of the largest bundles, of which it takes some, for an interval by lines.
    The variance of a pair's mean excess over two answers is 0.5 to 0.625 of the retest noise, that of its shift 0.5.
    """
    pairs = max(3 * size, 30)
    while student(0.95, pairs // size - 1) ** 2 * 0.625 * retest / pairs > precision**2:
        pairs += size
    return pairs
