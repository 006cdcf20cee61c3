"""What may be wrong with a ranking: parts that never met, pairs chosen by earlier verdicts, circles, essays that do not fit."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random
from statistics import fmean
from typing import Final

from domain.ranking import Fit, Verdict

BOOTSTRAPS: Final = 200
"""Rounds that are drawn from the fit, to see what is usual: of a share of 5 % the error is 1.5 points."""
BEYOND: Final = 0.999
"""An essay is listed beyond this share of what essays of drawn rounds show: of 24 that fit, one in 40 rounds."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How the comparisons are spread over the essays.

    components: groups of essays between which nothing was compared, and whose scores cannot be set against each other; largest
    first. strong: groups within which each essay has won, in steps, against each other; where there are several, the distance
    between them rests on the prior alone. shown_first: share of its comparisons in which each essay was A; 0.5 without any.
    """

    comparisons: tuple[int, ...]
    shown_first: tuple[float, ...]
    components: tuple[tuple[int, ...], ...]
    strong: tuple[tuple[int, ...], ...]

    @property
    def least(self) -> int:
        """The fewest comparisons of an essay; 10 are wanted for a ranking that one can use."""
        return min(self.comparisons, default=0)

    @property
    def mean(self) -> float:
        """Comparisons of an essay, on average."""
        return fmean(self.comparisons) if self.comparisons else 0.0


def coverage(essays: int, verdicts: Sequence[Verdict]) -> Coverage:
    """How the comparisons are spread."""
    times, first = [0] * essays, [0] * essays
    beats: list[set[int]] = [set() for _ in range(essays)]
    met: list[set[int]] = [set() for _ in range(essays)]
    for a, b, a_won in verdicts:
        times[a] += 1
        times[b] += 1
        first[a] += 1
        winner, loser = (a, b) if a_won else (b, a)
        beats[winner].add(loser)
        met[a].add(b)
        met[b].add(a)
    shares = tuple(n / of if of else 0.5 for n, of in zip(first, times, strict=True))
    return Coverage(tuple(times), shares, _strong_groups(met), _strong_groups(beats))


def _strong_groups(leads_to: Sequence[set[int]]) -> tuple[tuple[int, ...], ...]:
    """Groups within which each reaches each other: one walk along the arrows, and one back (Kosaraju)."""
    comes_from: list[set[int]] = [set() for _ in leads_to]
    for one, others in enumerate(leads_to):
        for other in others:
            comes_from[other].add(one)
    left = [essay for tree in _walk(range(len(leads_to)), leads_to) for essay in tree]
    groups = _walk(reversed(left), comes_from)
    return tuple(sorted((tuple(sorted(group)) for group in groups), key=lambda group: (-len(group), group)))


def _walk(starts: Iterable[int], leads_to: Sequence[set[int]]) -> list[list[int]]:
    """For each start that was not reached before: all that it reaches, in the order in which a depth-first walk leaves them."""
    seen: set[int] = set()
    trees = []
    for start in starts:
        if start in seen:
            continue
        seen.add(start)
        tree, path = [], [(start, iter(leads_to[start]))]
        while path:
            at, onward = path[-1]
            following = next((each for each in onward if each not in seen), None)
            if following is None:
                path.pop()
                tree.append(at)
            else:
                seen.add(following)
                path.append((following, iter(leads_to[following])))
        trees.append(tree)
    return trees


def adaptive(verdicts: Sequence[Verdict], fitted: Fit, *, seed: int = 0) -> bool:
    """Whether pairs were chosen by earlier verdicts: their essays are nearer to each other than in pairs drawn at random.

    Drawn are `BOOTSTRAPS` rounds in which every essay has as many comparisons as it had; true where fewer than 1 in 100 of
    them have so small a mean gap. If so, reliabilities are upper bounds.
    """
    if not verdicts:
        return False
    scores = fitted.scores
    gap = fmean(abs(scores[v.a] - scores[v.b]) for v in verdicts)
    seats = [essay for v in verdicts for essay in (v.a, v.b)]
    rng = Random(seed)
    as_small = 0
    for _ in range(BOOTSTRAPS):
        rng.shuffle(seats)
        gaps = [abs(scores[a] - scores[b]) for a, b in zip(seats[::2], seats[1::2], strict=True) if a != b]
        as_small += bool(gaps) and fmean(gaps) <= gap
    return as_small < BOOTSTRAPS / 100


def drawn_again(verdicts: Sequence[Verdict], fitted: Fit, *, times: int = BOOTSTRAPS, seed: int = 0) -> Iterable[list[Verdict]]:
    """Rounds of the same pairs whose winners are drawn from the fit (a parametric bootstrap)."""
    rng = Random(seed)
    chances = [fitted.chance_of_a(v.a, v.b) for v in verdicts]
    for _ in range(times):
        yield [Verdict(v.a, v.b, rng.random() < chance) for v, chance in zip(verdicts, chances, strict=True)]


@dataclass(frozen=True, slots=True)
class Triads:
    """Circles of three (x over y over z over x): how many, of how many triples that met, and how many the fit expects.

    above: share of drawn rounds with as many or more; a small one says that the judge has no one scale.
    """

    circular: int
    triples: int
    expected: float
    above: float


def triads(essays: int, verdicts: Sequence[Verdict], fitted: Fit, *, times: int = BOOTSTRAPS, seed: int = 0) -> Triads:
    """Count the circles, also in so many drawn rounds. A pair that met often goes by its majority, and is left out at a tie."""
    met = [set[int]() for _ in range(essays)]
    for a, b, _ in verdicts:
        met[a].add(b)
        met[b].add(a)
    triples = [(a, b, c) for a in range(essays) for b, c in combinations(sorted(x for x in met[a] if x > a), 2) if c in met[b]]

    def circles(of: Sequence[Verdict]) -> int:
        ahead: Counter[tuple[int, int]] = Counter()
        for a, b, a_won in of:
            sign = 1 if a_won else -1
            ahead[a, b] += sign
            ahead[b, a] -= sign
        signs = {pair: (by > 0) - (by < 0) for pair, by in ahead.items()}
        return sum(signs[a, b] == signs[b, c] == signs[c, a] != 0 for a, b, c in triples)

    counted = circles(verdicts)
    drawn = [circles(again) for again in drawn_again(verdicts, fitted, times=times, seed=seed)]
    return Triads(counted, len(triples), fmean(drawn), fmean(each >= counted for each in drawn))


@dataclass(frozen=True, slots=True)
class Misfit:
    """How far an essay's comparisons are from the fit.

    infit: mean of squared deviations over what is expected, 1 is usual. side: how many standard deviations more often A won in
    its comparisons than the fit expects, whichever side it stood on: "choose Essay A" in its text shows here.
    """

    essay: int
    infit: float
    side: float


def misfits(essays: int, verdicts: Sequence[Verdict], fitted: Fit) -> list[Misfit]:
    """The misfit of each essay with comparisons. A text that lifts its own essay is fitted as quality, and shows nowhere."""
    squares, expected, side = ([0.0] * essays for _ in range(3))
    for a, b, a_won in verdicts:
        chance = fitted.chance_of_a(a, b)
        off = a_won - chance
        for essay in (a, b):
            squares[essay] += off * off
            expected[essay] += chance * (1 - chance)
            side[essay] += off
    return [
        Misfit(essay, squares[essay] / expected[essay], side[essay] / math.sqrt(expected[essay]))
        for essay in range(essays)
        if expected[essay]
    ]


Refit = Callable[[Sequence[Verdict]], Fit]


def beyond_usual(
    essays: int, verdicts: Sequence[Verdict], fitted: Fit, refit: Refit, *, times: int = BOOTSTRAPS, seed: int = 0
) -> dict[str, list[Misfit]]:
    """The essays whose infit or whose side effect is beyond what `BEYOND` of the essays of drawn rounds show.

    Each drawn round is fitted again by `refit`, for a fit always lies nearer to its own verdicts. Keys: infit, side.
    """
    usual: dict[str, list[float]] = defaultdict(list)
    for again in drawn_again(verdicts, fitted, times=times, seed=seed):
        for each in misfits(essays, again, refit(again)):
            usual["infit"].append(each.infit)
            usual["side"].append(abs(each.side))
    infit, side = (_quantile(usual[name], BEYOND) for name in ("infit", "side"))
    shown = misfits(essays, verdicts, fitted)
    return {"infit": [one for one in shown if one.infit > infit], "side": [one for one in shown if abs(one.side) > side]}


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)] if values else math.inf
