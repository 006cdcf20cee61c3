"""An experiment on how bundles are judged: the same pairs asked alone, swapped, and in bundles of each size.

Every pair has two single answers and a swapped one, which all sizes share, and one answer in each size. So what a size shows is
compared pair by pair, which takes half of the calls that separate samples would.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from domain.audited import EXCESS, POSITION, SHIFT, Audited
from domain.census import THIRDS, third
from domain.essay_order import by_essays
from domain.evidence import Finding
from domain.intervals import Interval, clustered_interval, kappa, mean_interval, wilson

SINGLES: Final = ("again 1", "again 2")
SWAPPED: Final = "swapped"
SURE: Final = 0.99
"""Level of the interval by which a size counts as bent: 0 is not in it."""


class Line(NamedTuple):
    """One prompt: the arm (a single one's name, or the size of the bundles) and the pairs in slot order."""

    arm: str
    pairs: tuple[int, ...]


class Verdict(NamedTuple):
    """Whether A of the request won, where the pair stood in its line, and the line's number."""

    a_won: bool
    slot: int
    line: int


Answers = Mapping[str, Mapping[int, Verdict]]
"""Arm → pair → verdict, the swapped ones turned back. A pair without a usable answer is left out."""


def lines(essays: Sequence[tuple[int, int]], sizes: Iterable[int], *, seed: int) -> list[Line]:
    """All prompts for these pairs of essays, in an order drawn by the seed, so that no arm is asked earlier than another.

    Bundles are put together by shared essays, as the worker does; the slots in each are dealt by chance, anew for each size.
    """
    rng = Random(seed)
    made = [Line(arm, (pair,)) for arm in (*SINGLES, SWAPPED) for pair in range(len(essays))]
    for size in sizes:
        order = list(by_essays(essays, size))
        for start in range(0, len(order), size):
            line = order[start : start + size]
            rng.shuffle(line)
            made.append(Line(str(size), tuple(line)))
    rng.shuffle(made)
    return made


@dataclass(frozen=True, slots=True)
class Baseline:
    """What single answers show: pairs, how often two of them differ, how often a swap changes the winner, and position."""

    pairs: int
    retest: Interval
    flips: Interval
    position: Interval


@dataclass(frozen=True, slots=True)
class Arm:
    """What one size shows: audits (pairs with all four answers), and the excess and shift against single answers.

    agreement and kappa are with the first single answer, beside which stand those of two single ones in `Baseline.retest`.
    shift_by_third: by third of the slots. missing: pairs that this size did not answer usably, of those that were asked.
    """

    size: int
    audits: int
    lines: int
    missing: int
    excess: Interval
    shift: Interval
    agreement: Interval
    kappa: float
    shift_by_third: tuple[Interval, ...]
    finding: Finding
    wanted: int

    def words(self, margin: float) -> str:
        """The finding in a sentence."""
        points = f"{100 * margin:g} points"
        if self.finding is Finding.FINE:
            return f"bundles of {self.size} are shown fine: excess and shift are certainly within {points}"
        if self.finding is Finding.NOT_KNOWN:
            return f"bundles of {self.size}: not known yet ({self.audits} of about {self.wanted} pairs)"
        more = []
        if self.excess.surely:
            more.append(f"they differ from single answers {100 * self.excess.estimate:.1f} points more often than these do")
        if self.shift.surely:
            towards = "A" if self.shift.estimate > 0 else "B"
            more.append(f"they favour Essay {towards} by {100 * abs(self.shift.estimate):.1f} points")
        return f"bundles of {self.size} are bent: {' and '.join(more) or 'surely not as single answers'}"


def baseline(answers: Answers) -> Baseline:
    """What the single and swapped answers show."""
    first, second = (answers.get(arm, {}) for arm in SINGLES)
    both = [pair for pair in first if pair in second]
    retested = sum(first[pair].a_won != second[pair].a_won for pair in both)
    audits = [audit for _, audit in _audits(first, answers)]
    return Baseline(
        len(audits),
        wilson(retested, len(both)),
        wilson(sum(audit.flipped for audit in audits), len(audits)),
        mean_interval(POSITION, Counter(audit.position for audit in audits)),
    )


def arm(size: int, answers: Answers, asked: int, *, margin: float) -> Arm:
    """What one size shows; its intervals are by lines, for what goes wrong with a line goes wrong with all of it.

    fine: both 95 % intervals are within the margin. bent: not fine, and a 99 % interval leaves 0 out. asked: pairs of the size.
    """
    there = answers.get(str(size), {})
    audits = dict(_audits(there, answers))
    intervals = {level: _both(there, audits, level) for level in (0.95, SURE)}
    excess, shift = intervals[0.95]
    within = excess.high < margin and -margin < shift.low and shift.high < margin
    finding = Finding.BENT if any(one.surely for one in intervals[SURE]) else Finding.NOT_KNOWN
    if within and audits:
        finding = Finding.FINE
    agreed = Counter((audit.delivered, audit.first) for audit in audits.values())
    return Arm(
        size,
        len(audits),
        len({there[pair].line for pair in audits}),
        asked - len(there),
        excess,
        shift,
        wilson(agreed[True, True] + agreed[False, False], len(audits)),
        kappa(agreed[True, True], agreed[False, False], agreed[True, False], agreed[False, True]),
        tuple(_by_third(size, there, audits)),
        finding,
        _wanted(len(audits), excess, shift, margin),
    )


def _audits(there: Mapping[int, Verdict], answers: Answers) -> Iterator[tuple[int, Audited]]:
    first, second, other = (answers.get(name, {}) for name in (*SINGLES, SWAPPED))
    for pair, verdict in there.items():
        if pair in first and pair in second and pair in other:
            yield pair, Audited(verdict.a_won, first[pair].a_won, second[pair].a_won, other[pair].a_won)


def _both(there: Mapping[int, Verdict], audits: Mapping[int, Audited], level: float) -> tuple[Interval, Interval]:
    by_line: dict[int, list[Audited]] = {}
    for pair, audit in audits.items():
        by_line.setdefault(there[pair].line, []).append(audit)
    if len(by_line) < 2:
        return mean_interval(EXCESS, {}), mean_interval(SHIFT, {})
    # Two pseudo-lines of one audit each, as `mean_interval` has pseudo-audits: few lines of which none differs prove little.
    excess = [*((len(of), sum(one.excess for one in of)) for of in by_line.values()), (1, 0.5), (1, -0.5)]
    shift = [*((len(of), sum(one.shift for one in of)) for of in by_line.values()), (1, 0.5), (1, -0.5)]
    return clustered_interval(excess, level=level), clustered_interval(shift, level=level)


def _by_third(size: int, there: Mapping[int, Verdict], audits: Mapping[int, Audited]) -> Iterator[Interval]:
    for number in range(THIRDS):
        yield mean_interval(SHIFT, Counter(a.shift for pair, a in audits.items() if third(there[pair].slot, size) == number))


def _wanted(audits: int, excess: Interval, shift: Interval, margin: float) -> int:
    """About how many pairs bring both intervals within the margin if the means stay; at most a hundred times as many."""
    needed = 1.0
    for found, room in ((excess, margin - excess.estimate), (shift, margin - abs(shift.estimate))):
        reach = (found.high - found.low) / 2
        needed = max(needed, (reach / room) ** 2 if room > 0 else 100.0)
    return round(audits * min(needed, 100.0))


def precise(arms: Iterable[Arm], precision: float) -> bool:
    """Whether every interval of excess and shift is within plus or minus so much."""
    return all((one.high - one.low) / 2 <= precision for found in arms for one in (found.excess, found.shift))
