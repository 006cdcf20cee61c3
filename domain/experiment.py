"""An experiment on how the way of asking bends the judgement: the same pairs asked alone, swapped, and in bundles of each kind.

Every pair has two single answers and a swapped one, with which all other ways are compared, pair by pair: that takes half of
the calls that separate samples would. In bundles a pair is asked twice as well, in different slots among the same neighbours:
that halves what slots add to the noise, and shows what they do by the same pair in both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from random import Random
from typing import Final, NamedTuple

from domain.essay_order import by_essays
from domain.job import Layout

TIMES: Final = 2
"""How often each pair is asked in each way."""
PILOT: Final = 100
"""About so many pairs are asked first, to learn how noisy the judge is."""


class Way(NamedTuple):
    """One way of asking pairs: in lines of so many, in this layout, by batch jobs or calls, and what an answer begins with."""

    size: int = 1
    layout: Layout = "auto"
    batch: bool = False
    reasons_first: bool = False

    @property
    def words(self) -> str:
        """As a report names it, as `bundles of 8 (verbatim) in batch jobs`."""
        said = "single answers" if self.size == 1 else f"bundles of {self.size}"
        if self.size > 1 and self.layout != "auto":
            said += f" ({self.layout})"
        if self.reasons_first:
            said += " (reasons first)"
        return f"{said} in batch jobs" if self.batch else said


class Series(NamedTuple):
    """One answer to each pair: in this way, for the nth time (from 0), with the essays swapped or as the request has them."""

    way: Way
    nth: int = 0
    swapped: bool = False


class Line(NamedTuple):
    """One prompt: whose answers it brings, and the pairs in slot order."""

    series: Series
    pairs: tuple[int, ...]


class Verdict(NamedTuple):
    """Whether A of the request won, how sure the answer was (1 … 5), in which third of its line it stood, and the line's pairs.

    together: the lowest number of a pair in the line. Both lines that hold the same pairs of a way have it in common.
    """

    a_won: bool
    confidence: float
    third: int
    together: int


Answers = Mapping[Series, Mapping[int, Verdict]]
"""Series → pair → verdict, the swapped ones turned back. A pair without a usable answer is left out."""


def ways(sizes: Iterable[int], layouts: Sequence[Layout], *, calls: bool, batches: bool, reasons_first: bool) -> list[Way]:
    """What is compared. The first is the baseline: single answers, by calls where both are asked."""
    transports = [batch for batch, wanted in ((False, calls), (True, batches)) if wanted]
    made = [Way(batch=batch) for batch in transports]
    if reasons_first:
        made.append(Way(batch=transports[0], reasons_first=True))
    return made + [Way(size, layout, batch) for batch, layout, size in product(transports, layouts, sizes)]


def largest(asked: Iterable[Way]) -> int:
    """The size of the largest bundles."""
    return max(way.size for way in asked)


def pilot(asked: Iterable[Way]) -> int:
    """The pairs of a pilot: about `PILOT`, so many that they fill the largest bundles."""
    size = largest(asked)
    return max(1, round(PILOT / size)) * size


def lines(essays: Sequence[tuple[int, int]], asked: Iterable[Way], *, seed: int) -> list[Line]:
    """All prompts for these pairs of essays, in an order drawn by the seed, so that no way is asked earlier than another.

    Single ways ask each pair twice, and once swapped. Bundles are put together by shared essays, as the worker does, and asked
    twice: with slots dealt by chance, and moved on by half of the slots, which are two rows of a Latin square. All ways of one
    size have the same bundles with the same slots.
    """
    rng = Random(seed)
    made: list[Line] = []
    dealt: dict[int, list[tuple[int, ...]]] = {}
    for way in asked:
        if way.size == 1:
            every = (*(Series(way, nth) for nth in range(TIMES)), Series(way, swapped=True))
            made += [Line(series, (pair,)) for series in every for pair in range(len(essays))]
            continue
        if way.size not in dealt:
            dealt[way.size] = list(_dealt(essays, way.size, rng))
        for first in dealt[way.size]:
            half = len(first) // 2
            made += [Line(Series(way, 0), first), Line(Series(way, 1), first[half:] + first[:half])]
    rng.shuffle(made)
    return made


def _dealt(essays: Sequence[tuple[int, int]], size: int, rng: Random) -> Iterator[tuple[int, ...]]:
    order = list(by_essays(essays, size))
    for start in range(0, len(order), size):
        line = order[start : start + size]
        rng.shuffle(line)
        yield tuple(line)
