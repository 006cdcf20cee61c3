"""What the answers themselves tell of slots and lines, for nothing: how far they are from what the ranking leads to expect.

Slots are compared within the same rounds, so what is wrong with the fit is wrong for all of them. Where slots are dealt by
chance, a difference between them is the slot's doing.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from domain.answer import MOST_IN_BUNDLE
from domain.ranking import Fit, Verdict

THIRDS: Final = 3
CLASSES: Final = ((1, "1"), (8, "2-8"), (16, "9-16"), (MOST_IN_BUNDLE, "17-64"))
"""The most comparisons in a line of each bundle class, and its name."""
LETTERS: Final = 6
"""Verdicts of a line from which their being all one letter tells anything."""
UNLIKELY: Final = 1e-4
"""A line of one letter is listed where the fit gives it less chance than this."""


def third(slot: int, size: int) -> int:
    """The third of a line in which a slot is, both counted from 0: of 8 slots 0 … 2 are in the first, 6 and 7 in the last."""
    return slot * THIRDS // size


def bundle_class(size: int) -> str:
    """The bundle class of a line of so many comparisons."""
    return next(name for most, name in CLASSES if size <= most)


class Placed(NamedTuple):
    """A verdict and the third of its line (0 … 2) in which it was asked."""

    verdict: Verdict
    third: int


@dataclass(slots=True)
class Deviation:
    """Sums over verdicts of how far they are from a fit; those of several rounds add up (`add`).

    more_a: times that A won beyond what is expected, whose variance is `spread`. surprise: sum of squared deviations beyond
    what is expected, whose variance is `surprise_spread`.
    """

    n: int = 0
    more_a: float = 0.0
    spread: float = 0.0
    surprise: float = 0.0
    surprise_spread: float = 0.0

    def see(self, a_won: bool, chance: float) -> None:
        """Count one verdict that was expected to be A with this chance."""
        off, variance = a_won - chance, chance * (1 - chance)
        self.n += 1
        self.more_a += off
        self.spread += variance
        self.surprise += off * off - variance
        self.surprise_spread += variance * (1 - 2 * chance) ** 2

    def add(self, other: "Deviation") -> None:
        """Add the sums of other verdicts."""
        self.n += other.n
        self.more_a += other.more_a
        self.spread += other.spread
        self.surprise += other.surprise
        self.surprise_spread += other.surprise_spread


class SlotEffect(NamedTuple):
    """The last third of slots against the others: by how much more often A wins there (a share), and both as z-scores.

    noise_z is above 0 where verdicts there are further from the ranking, whichever way. Beyond 2.58 is chance in 1 of 100.
    """

    more_a: float
    shift_z: float
    noise_z: float


@dataclass(slots=True)
class Slots:
    """Deviations by third of the line."""

    thirds: list[Deviation] = field(default_factory=lambda: [Deviation() for _ in range(THIRDS)])

    def see(self, fitted: Fit, placed: Iterable[Placed]) -> None:
        """Count the verdicts of a round against its own fit."""
        for (a, b, a_won), at in placed:
            self.thirds[at].see(a_won, fitted.chance_of_a(a, b))

    def late(self) -> SlotEffect:
        """The last third against the first two; all 0 where there are no verdicts on one side."""
        rest, last = Deviation(), self.thirds[-1]
        for each in self.thirds[:-1]:
            rest.add(each)
        if not (rest.n and last.n):
            return SlotEffect(0.0, 0.0, 0.0)

        def z(one: float, other: float, one_variance: float, other_variance: float) -> tuple[float, float]:
            apart = one / last.n - other / rest.n
            error = math.sqrt(one_variance / last.n**2 + other_variance / rest.n**2)
            return apart, apart / error if error else 0.0

        more_a, shift_z = z(last.more_a, rest.more_a, last.spread, rest.spread)
        _, noise_z = z(last.surprise, rest.surprise, last.surprise_spread, rest.surprise_spread)
        return SlotEffect(more_a, shift_z, noise_z)


class OneLetter(NamedTuple):
    """Lines whose verdicts are all the same letter: how many, and how many the fit leads one to expect."""

    lines: int
    expected: float


def chance_of_one_letter(chances: Sequence[float]) -> float:
    """The chance that all verdicts of a line are A, or all B; `chances` are those of A."""
    return math.prod(chances) + math.prod(1 - chance for chance in chances)


def is_one_letter(line: Sequence[Verdict]) -> bool:
    """Whether a line has `LETTERS` verdicts or more, which are all the same letter."""
    return len(line) >= LETTERS and len({verdict.a_won for verdict in line}) == 1


def unlikely_lines(fitted: Fit, lines: Iterable[Sequence[Verdict]]) -> Iterator[int]:
    """The places of one-letter lines to which the fit gives a chance below `UNLIKELY`."""
    for place, line in enumerate(lines):
        if is_one_letter(line) and chance_of_one_letter([fitted.chance_of_a(v.a, v.b) for v in line]) < UNLIKELY:
            yield place


def one_letter_lines(fitted: Fit, lines: Iterable[Sequence[Verdict]]) -> OneLetter:
    """Count the one-letter lines among those of at least `LETTERS` verdicts."""
    count, expected = 0, 0.0
    for line in lines:
        if len(line) >= LETTERS:
            count += is_one_letter(line)
            expected += chance_of_one_letter([fitted.chance_of_a(verdict.a, verdict.b) for verdict in line])
    return OneLetter(count, expected)
