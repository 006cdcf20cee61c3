"""What one audited comparison shows: the verdict that was delivered beside two single answers and a swapped one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

Counts = Mapping[float, int]
"""Value of a measure → number of audits that had it. Counts of several workers or days add up."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that every audit gives, and whose mean over audits is 0 if the judge is not bent in that way.

    values: all that it can be, ascending. two_sided: whether a mean below 0 is a finding as well.
    """

    name: str
    values: tuple[float, ...]
    two_sided: bool

    @property
    def largest(self) -> float:
        """The greatest value."""
        return self.values[-1]


EXCESS: Final = Measure("excess", (-0.5, 0.0, 1.0), two_sided=False)
"""How much more often a delivered verdict differs from single answers than these differ from each other."""
SHIFT: Final = Measure("shift", (-1.0, -0.5, 0.0, 0.5, 1.0), two_sided=True)
"""How much more often a delivered verdict is Essay A than a single answer is."""
POSITION: Final = Measure("position", (-0.5, -0.25, 0.0, 0.25, 0.5), two_sided=True)
"""How much more often the essay that is shown first wins than half of the time, by showing both first."""
MEASURES: Final = (EXCESS, SHIFT, POSITION)


class Audited(NamedTuple):
    """Whether Essay A of the request won: in the delivered answer, in two single ones, and in one with the essays swapped.

    `swapped` is turned back: it says whether the essay that the request calls A won, which there stood under B.
    """

    delivered: bool
    first: bool
    second: bool
    swapped: bool

    @property
    def excess(self) -> float:
        """A half for each single answer that differs from the delivered one, less 1 where these two differ.

        If all three are drawn alike, each of them is the odd one out with chance 1/3, so the mean is 0 whatever the pair is.
        """
        return ((self.delivered != self.first) + (self.delivered != self.second)) / 2 - (self.first != self.second)

    @property
    def shift(self) -> float:
        """1 where the delivered verdict is A, less the share of A in the single ones."""
        return self.delivered - (self.first + self.second) / 2

    @property
    def position(self) -> float:
        """The share of first-shown winners over both orders, less a half."""
        return ((self.first + self.second) / 2 + (not self.swapped)) / 2 - 0.5

    @property
    def flipped(self) -> bool:
        """Whether a swap changed who won. A judge that is merely unsure flips as well: compare with `retested`."""
        return self.first != self.swapped

    @property
    def retested(self) -> bool:
        """Whether the two single answers differ."""
        return self.first != self.second


def count(audits: Iterable[Audited]) -> dict[str, Counter[float]]:
    """Counts of each measure, by its name."""
    counted: dict[str, Counter[float]] = {measure.name: Counter() for measure in MEASURES}
    for audit in audits:
        counted["excess"][audit.excess] += 1
        counted["shift"][audit.shift] += 1
        counted["position"][audit.position] += 1
    return counted
