"""What audits show of a model: how far its verdicts are from single calls, in which direction, and whether it is bent."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from domain.audited import EXCESS, MEASURES, POSITION, SHIFT, Audited, Measure
from domain.auditing import Cell, Complete, measured
from domain.census import CLASSES
from domain.evidence import STARTS, Finding, Standing, alarm_threshold, log_alarm, log_wealth, standing
from domain.intervals import Interval, mean_interval, wilson

WORTH_ACTING: Final = 0.01
"""By how much (1 point) a mean must certainly be off before something is done without a person."""
OF_BUNDLES: Final = (EXCESS, SHIFT)
"""The measures that say something of bundles; a position bias is there in single calls too."""
_CLASSES: Final = [name for _, name in CLASSES]


class Rules(NamedTuple):
    """By what a judge counts as bent or fine. Shares: 0.02 is 2 points.

    weighed: the part of all partitions whose audits are weighed here. False alarms are allowed for in that part, so that those
    of all who weigh are together no more than `false_alarms`.
    """

    false_alarms: float = 0.01
    tolerance: float = 0.0
    position_tolerance: float = 0.02
    margin: float = 0.05
    weighed: float = 1.0

    def tolerance_of(self, measure: Measure) -> float:
        """How far from 0 the mean of a measure may be."""
        return self.position_tolerance if measure is POSITION else self.tolerance


class Row(NamedTuple):
    """The complete audits of one cell and day (days since the epoch, UTC)."""

    cell: Cell
    day: int
    audits: Mapping[Complete, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a set of audits shows of one measure."""

    interval: Interval
    standing: Standing


@dataclass(frozen=True, slots=True)
class Group:
    """What a set of audits shows. retest, flips: shares of audits in which two single answers differ, and a swap changes who
    won. agreed: by stated confidence, how often the delivered and both single answers agree.

    A measure without audits is left out: of lines with one comparison there is only the position.
    """

    name: str
    audits: int
    measures: dict[str, Shown]
    retest: Interval
    flips: Interval
    agreed: dict[int, tuple[int, int]]

    @property
    def finding(self) -> Finding:
        """One word for all measures: bent where one is bent, and fine where all are."""
        found = {one.standing.finding for one in self.measures.values()}
        if Finding.BENT in found:
            return Finding.BENT
        return Finding.FINE if found == {Finding.FINE} else Finding.NOT_KNOWN

    def words(self) -> str:
        """The finding as a report says it, with the audits of the measure that takes longest."""
        left = [one.standing for one in self.measures.values() if one.standing.finding is Finding.NOT_KNOWN]
        if self.finding is not Finding.NOT_KNOWN or not left:
            return str(self.finding)
        return max(left, key=lambda one: one.wanted - one.audits).words()


@dataclass(frozen=True, slots=True)
class Alarm:
    """The alarm of one measure of a model: evidence of the days since which it counts, and the mean over them."""

    measure: str
    log10: float
    threshold_log10: float
    interval: Interval
    audits: int

    @property
    def sounds(self) -> bool:
        """Whether the evidence has reached the threshold."""
        return self.log10 >= self.threshold_log10

    @property
    def worth_acting(self) -> bool:
        """Whether bundles should be smaller: it sounds, bundles may be the cause, and the mean is surely off by a point."""
        of_bundles = self.measure in {measure.name for measure in OF_BUNDLES}
        return self.sounds and of_bundles and (self.interval.low > WORTH_ACTING or self.interval.high < -WORTH_ACTING)

    def points(self) -> str:
        """The mean with its interval, in points."""
        estimate, low, high = (f"{100 * value:+.1f}" for value in self.interval)
        return f"{estimate} points ({low} to {high})"


class Step(NamedTuple):
    """A step down: at most so many comparisons in a line, and why."""

    most: int
    reason: str


def by_model(rows: Iterable[tuple[Cell, int, Mapping[Complete, int]]]) -> dict[tuple[str, str], list[Row]]:
    """The audits of each provider and model, as its replies name it."""
    found: dict[tuple[str, str], list[Row]] = {}
    for cell, day, audits in rows:
        if audits:
            found.setdefault((cell.provider, cell.model), []).append(Row(cell, day, audits))
    return dict(sorted(found.items()))


def _together(rows: Iterable[Row]) -> dict[tuple[Complete, bool], int]:
    """How often each audit was seen, of lines of one (True) and of several."""
    seen: dict[tuple[Complete, bool], int] = {}
    for row in rows:
        alone = row.cell.bundle == _CLASSES[0]
        for complete, number in row.audits.items():
            seen[complete, alone] = seen.get((complete, alone), 0) + number
    return seen


@cache  # 32 of them: audits are many, and few differ
def _values(audited: Audited, alone: bool) -> tuple[tuple[str, float], ...]:
    """The value of each measure that an audit has."""
    of = measured({Complete(audited, 1): 1}, _CLASSES[0] if alone else _CLASSES[-1])
    return tuple((name, value) for name, values in of.items() for value in values)


def count(rows: Iterable[Row]) -> dict[str, Counter[float]]:
    """Counts of each measure's values over these audits."""
    counted: dict[str, Counter[float]] = {}
    for (complete, alone), number in _together(rows).items():
        for name, value in _values(complete.audited, alone):
            counted.setdefault(name, Counter())[value] += number
    return counted


def group(name: str, rows: Sequence[Row], rules: Rules) -> Group:
    """What these audits show together."""
    counted = count(rows)
    measures: dict[str, Shown] = {}
    for measure in MEASURES:
        counts = counted.get(measure.name)
        if counts:
            found = standing(measure, counts, tolerance=rules.tolerance_of(measure), margin=rules.margin)
            measures[measure.name] = Shown(mean_interval(measure, counts), found)
    audits = retests = flips = 0
    agreed: dict[int, tuple[int, int]] = {}
    for (complete, _), number in _together(rows).items():
        of = complete.audited
        audits += number
        retests += number * of.retested
        flips += number * of.flipped
        hits, n = agreed.get(complete.confidence, (0, 0))
        agreed[complete.confidence] = (hits + number * (of.delivered == of.first == of.second), n + number)
    return Group(name, audits, measures, wilson(retests, audits), wilson(flips, audits), dict(sorted(agreed.items())))


THIRDS: Final = ("first third", "second third", "last third")
BREAKDOWNS: Final[dict[str, Callable[[Cell], str]]] = {
    "bundle": lambda cell: cell.bundle,
    "layout": lambda cell: f"{cell.bundle} {cell.layout}",
    "mode": lambda cell: cell.mode,
    "third": lambda cell: THIRDS[cell.third],
    "suspect": lambda cell: "bundles with a suspect" if cell.suspect else "bundles without a suspect",
}
"""By what the audits of a model are told apart in a report. Thirds and suspects: of lines with several comparisons."""
_OF_SEVERAL: Final = ("third", "suspect")


def groups(by: str, rows: Iterable[Row], rules: Rules) -> Iterator[Group]:
    """What the audits show by one of BREAKDOWNS, in order. By suspects nothing where no bundle holds one."""
    rows = list(rows)
    if by == "suspect" and not any(row.cell.suspect for row in rows):
        return
    alike: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        if by in _OF_SEVERAL and row.cell.bundle == _CLASSES[0]:
            continue
        order = row.cell.third if by == "third" else _CLASSES.index(row.cell.bundle) if by in ("bundle", "layout") else 0
        alike.setdefault((order, BREAKDOWNS[by](row.cell)), []).append(row)
    for (_, name), some in sorted(alike.items(), key=lambda one: one[0]):
        yield group(name, some, rules)


def wealth(rows: Iterable[Row], rules: Rules, *, after_day: int) -> dict[str, dict[str, float]]:
    """By measure what each bet has made of 1 (domain.evidence.log_wealth), by all audits of the days after `after_day`.

    This is evidence from one start. That of several workers adds up, which that of many starts does not.
    """
    counted = count(row for row in rows if row.day > after_day)
    return {
        measure.name: log_wealth(measure, counted[measure.name], tolerance=rules.tolerance_of(measure))
        for measure in MEASURES
        if measure.name in counted
    }


def threshold_log10(rules: Rules, *, models: int) -> float:
    """The evidence at which an alarm sounds, for each of so many models, as a power of 10."""
    allowed = rules.false_alarms * rules.weighed
    return math.log10(alarm_threshold(models=max(1, models), tests=len(MEASURES), false_alarms=allowed))


def count_days(rows: Iterable[Row]) -> dict[int, dict[str, Counter[float]]]:
    """Counts of each measure's values by day."""
    days: dict[int, list[Row]] = {}
    for row in rows:
        days.setdefault(row.day, []).append(row)
    return {day: count(some) for day, some in days.items()}


def alarms(
    days: Mapping[int, Mapping[str, Counter[float]]], rules: Rules, *, models: int, after_day: int, today: int
) -> dict[str, Alarm]:
    """The alarm of each measure of one model, of `models`: by audits of the days after `after_day` to `today`."""
    first = max(after_day, today - STARTS) + 1
    begun = min((day for day in days if first <= day <= today), default=today)
    threshold = threshold_log10(rules, models=models)
    found: dict[str, Alarm] = {}
    for measure in MEASURES:
        counted = [days.get(day, {}).get(measure.name, Counter()) for day in range(max(first, begun), today + 1)]
        total: Counter[float] = Counter()
        for of_day in counted:
            total.update(of_day)
        if total:
            log10 = log_alarm(measure, counted, tolerance=rules.tolerance_of(measure)) / math.log(10)
            found[measure.name] = Alarm(measure.name, log10, threshold, mean_interval(measure, total), total.total())
    return found


def step_down(alarms: Iterable[Alarm], size: int, on_alarm: str) -> Step | None:
    """The step that a model's alarms lead to, whose lines hold at most `size` comparisons now; None where there is none."""
    worth = [alarm for alarm in alarms if alarm.worth_acting]
    following = next_size(size, on_alarm) if worth else None
    if following is None:
        return None
    return Step(following, "; ".join(f"{alarm.measure} {alarm.points()} in {alarm.audits} audits" for alarm in worth))


def next_size(size: int, on_alarm: str) -> int | None:
    """The bundle size after a step down by ON_ALARM `halve` or `single`; None where there is none."""
    if size <= 1 or on_alarm not in ("halve", "single"):
        return None
    return size // 2 if on_alarm == "halve" else 1
