"""How far the ranking of a batch can be trusted, in a few numbers: what the worker's page shows while the batch is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain import ranking
from domain.census import unlikely_lines
from domain.ranking import Verdict
from domain.ranking_checks import adaptive, coverage

MOST_ESSAYS: Final = 400
MOST_VERDICTS: Final = 6_000
"""With more no ranking is fitted: 300 essays with 3,000 verdicts take some 2 s, and essays count by their third power."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the verdicts so far. essays: that have met. least, mean: comparisons of an essay. groups: between which none has met.

    reliability: v/(v + s²), None without a fit. upper_bound: pairs were chosen by earlier answers, so it is at most that.
    order_points: by how much being shown first raises the chance to win, as a share; order_surely: 0 is not in its interval.
    unlikely_lines: numbers of lines of one letter to which the fit gives next to no chance.
    """

    essays: int
    least: int
    mean: float
    groups: int
    reliability: float | None = None
    upper_bound: bool = False
    order_points: float | None = None
    order_surely: bool = False
    unlikely_lines: tuple[int, ...] = ()


def summary(verdicts: Sequence[Verdict], lines: Sequence[Sequence[int]]) -> Summary:
    """The summary of at least one verdict, whose essays may have any numbers; lines: of bundles, by places in `verdicts`."""
    number: dict[int, int] = {}
    for verdict in verdicts:
        for essay in (verdict.a, verdict.b):
            number.setdefault(essay, len(number))
    of = [Verdict(number[a], number[b], a_won) for a, b, a_won in verdicts]
    essays = len(number)
    spread = coverage(essays, of)
    counts = (essays, spread.least, spread.mean, len(spread.components))
    if essays > MOST_ESSAYS or len(of) > MOST_VERDICTS:
        return Summary(*counts)
    fitted = ranking.fit(essays, of)
    return Summary(
        *counts,
        reliability=ranking.reliability(essays, of, fitted).estimated,
        upper_bound=adaptive(of, fitted),
        order_points=fitted.order_points(of),
        order_surely=abs(fitted.order) > 1.959964 * fitted.order_error,
        unlikely_lines=tuple(unlikely_lines(fitted, [[of[place] for place in line] for line in lines])),
    )
