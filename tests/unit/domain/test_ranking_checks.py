"""What may be wrong with a ranking is found: parts that never met, chosen pairs, circles, essays that do not fit."""

import itertools
import math
import random

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from domain.ranking import Verdict, fit
from domain.ranking_checks import adaptive, beyond_usual, coverage, drawn_again, misfits, triads

ESSAYS = 10


def random_verdicts(seed: int, comparisons: int, essays: int = ESSAYS, spread: float = 1.5) -> list[Verdict]:
    rng = random.Random(seed)
    truth = [rng.gauss(0, spread) for _ in range(essays)]
    made = []
    for _ in range(comparisons):
        a, b = rng.sample(range(essays), 2)
        made.append(Verdict(a, b, rng.random() < 1 / (1 + math.exp(truth[b] - truth[a]))))
    return made


def test_how_comparisons_are_spread() -> None:
    made = [Verdict(0, 1, True), Verdict(0, 1, True), Verdict(2, 0, False), Verdict(3, 4, True)]
    found = coverage(6, made)
    assert found.comparisons == (3, 2, 1, 1, 1, 0)
    assert (found.least, found.mean) == (0, pytest.approx(8 / 6))
    assert found.shown_first == (pytest.approx(2 / 3), 0.0, 1.0, 1.0, 0.0, 0.5)
    assert found.components == ((0, 1, 2), (3, 4), (5,))
    assert len(found.strong) == 6
    round_trip = coverage(3, [Verdict(0, 1, True), Verdict(1, 2, True), Verdict(2, 0, True)])
    assert round_trip.strong == ((0, 1, 2),)


@pytest.mark.parametrize("comparisons", [5, 12, 25, 60])
def test_groups_are_those_of_scipy(comparisons: int) -> None:
    for seed in range(5):
        made = random_verdicts(seed, comparisons)
        arrows = np.zeros((ESSAYS, ESSAYS))
        for a, b, a_won in made:
            arrows[(a, b) if a_won else (b, a)] = 1
        found = coverage(ESSAYS, made)
        for groups, kind in ((found.components, "weak"), (found.strong, "strong")):
            _, labels = connected_components(arrows, directed=True, connection=kind)
            theirs = {tuple(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}
            assert set(groups) == theirs


def test_circles_are_those_of_a_count_by_hand() -> None:
    made = random_verdicts(5, 60)
    ahead = np.zeros((ESSAYS, ESSAYS))
    met = np.zeros((ESSAYS, ESSAYS), dtype=bool)
    for a, b, a_won in made:
        met[a, b] = met[b, a] = True
        ahead[a, b] += 1 if a_won else -1
        ahead[b, a] -= 1 if a_won else -1
    triples = [t for t in itertools.combinations(range(ESSAYS), 3) if all(met[x, y] for x, y in itertools.combinations(t, 2))]
    circles = sum(
        abs(sum(np.sign([ahead[a, b], ahead[b, c], ahead[c, a]]))) == 3  # all three point the same way round
        for a, b, c in triples
    )
    found = triads(ESSAYS, made, fit(ESSAYS, made))
    assert (found.circular, found.triples) == (circles, len(triples))


def test_a_judge_without_one_scale_makes_more_circles_than_its_fit_expects() -> None:
    def judged(circular: bool) -> list[Verdict]:
        rng = random.Random(8)
        made = []
        for a, b in itertools.combinations(range(21), 2):
            # On a circle each beats the ten that follow it; on a line the lower number wins, but for one verdict in ten.
            wins = b - a <= 10 if circular else rng.random() < 0.9
            made.append(Verdict(a, b, wins) if rng.random() < 0.5 else Verdict(b, a, not wins))
        return made

    on_a_line, on_a_circle = (triads(21, judged(each), fit(21, judged(each))) for each in (False, True))
    assert on_a_line.above > 0.05
    assert on_a_circle.above == 0.0
    assert on_a_circle.circular > 1.1 * on_a_circle.expected


def test_drawn_rounds_are_the_same_pairs_and_as_the_fit_says() -> None:
    made = random_verdicts(2, 80)
    found = fit(ESSAYS, made)
    drawn = list(drawn_again(made, found, times=400))
    assert all([(v.a, v.b) for v in each] == [(v.a, v.b) for v in made] for each in drawn)
    for at in (0, 17, 79):
        share = sum(each[at].a_won for each in drawn) / 400
        assert share == pytest.approx(found.chance_of_a(made[at].a, made[at].b), abs=0.09)


def test_misfit_is_the_mean_square_and_the_sum_of_deviations() -> None:
    made = [Verdict(0, 1, True), Verdict(1, 0, True), Verdict(0, 1, True), Verdict(1, 0, True)]
    found = fit(3, made)  # whoever is first wins
    chance = found.chance_of_a(0, 1)
    for one in misfits(3, made, found):
        assert one.essay in (0, 1)
        assert one.infit == pytest.approx((1 - chance) ** 2 / (chance * (1 - chance)))
        assert one.side == pytest.approx(4 * (1 - chance) / math.sqrt(4 * chance * (1 - chance)))


def test_an_essay_that_makes_the_judge_say_a_is_listed_and_no_honest_one() -> None:
    honest = random_verdicts(6, 150)
    attacked = [Verdict(v.a, v.b, v.a_won or 4 in (v.a, v.b)) for v in honest]

    def listed(made: list[Verdict]) -> list[int]:
        found = beyond_usual(ESSAYS, made, fit(ESSAYS, made), lambda again: fit(ESSAYS, again, errors=False), times=50)
        return [one.essay for one in found["side"]]

    assert listed(honest) == []
    assert listed(attacked) == [4]


def test_pairs_of_neighbours_are_seen_to_be_chosen() -> None:
    rng = random.Random(3)
    truth = sorted(rng.gauss(0, 1.5) for _ in range(ESSAYS))
    pairs = [(n, n + 1) if rng.random() < 0.5 else (n + 1, n) for n in range(ESSAYS - 1) for _ in range(8)]
    chosen = [Verdict(a, b, rng.random() < 1 / (1 + math.exp(truth[b] - truth[a]))) for a, b in pairs]
    assert adaptive(chosen, fit(ESSAYS, chosen))
    at_random = random_verdicts(3, len(pairs))
    assert not adaptive(at_random, fit(ESSAYS, at_random))
    assert not adaptive([], fit(ESSAYS, []))
