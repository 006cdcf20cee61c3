"""The fit of verdicts beside other libraries' and beside the truth of simulated rounds."""

import math
import random
from collections import Counter
from itertools import combinations, permutations

import choix
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import pearsonr

from domain.ranking import PRIOR_VARIANCE, Fit, Verdict, correlation, fit, movers, reliability

ESSAYS = 12


def verdicts(seed: int, comparisons: int = 150, order: float = 0.7, essays: int = ESSAYS) -> list[Verdict]:
    rng = random.Random(seed)
    truth = [rng.gauss(0, 1.5) for _ in range(essays)]
    made = []
    for _ in range(comparisons):
        a, b = rng.sample(range(essays), 2)
        made.append(Verdict(a, b, rng.random() < 1 / (1 + math.exp(truth[b] - truth[a] - order))))
    return made


def by_scipy(made: list[Verdict], *, order: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same posterior's maximum, and the covariance from its curvature there, by a general optimiser."""
    signs = np.zeros((len(made), ESSAYS + order))
    for row, (a, b, _) in zip(signs, made, strict=True):
        row[a], row[b] = 1, -1
        if order:
            row[ESSAYS] = 1
    won = np.array([1.0 if v.a_won else -1.0 for v in made])

    def loss(x: np.ndarray) -> float:
        return float(np.logaddexp(0, -won * (signs @ x)).sum() + (x @ x) / (2 * PRIOR_VARIANCE))

    best = minimize(loss, np.zeros(ESSAYS + order), method="BFGS", options={"gtol": 1e-8}).x
    chance = 1 / (1 + np.exp(-(signs @ best)))
    curvature = signs.T @ (signs * (chance * (1 - chance))[:, None]) + np.eye(ESSAYS + order) / PRIOR_VARIANCE
    return best, np.linalg.inv(curvature)


@pytest.mark.parametrize("order", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_scores_and_errors_are_those_of_a_general_optimiser(order: bool, seed: int) -> None:
    made = verdicts(seed)
    found = fit(ESSAYS, made, order=order)
    best, covariance = by_scipy(made, order=order)
    centre = np.eye(ESSAYS) - 1 / ESSAYS
    assert found.scores == pytest.approx(centre @ best[:ESSAYS], abs=1e-5)
    assert found.errors == pytest.approx(np.sqrt(np.diag(centre @ covariance[:ESSAYS, :ESSAYS] @ centre)), abs=1e-5)
    if order:
        assert (found.order, found.order_error) == pytest.approx((best[ESSAYS], math.sqrt(covariance[-1, -1])), abs=1e-5)
    else:
        assert found.order == 0.0
        assert math.isnan(found.order_error)


@pytest.mark.parametrize("seed", range(3))
def test_without_the_order_term_scores_are_choixs(seed: int) -> None:
    made = verdicts(seed)
    won = [(v.a, v.b) if v.a_won else (v.b, v.a) for v in made]
    theirs = choix.opt_pairwise(ESSAYS, won, alpha=1 / (2 * PRIOR_VARIANCE), tol=1e-10)
    assert fit(ESSAYS, made, order=False).scores == pytest.approx(theirs - theirs.mean(), abs=1e-4)


def test_an_essay_that_has_won_everything_has_a_finite_score() -> None:
    made = [Verdict(a, b, a < b) for a, b in permutations(range(6), 2)]
    found = fit(6, made)
    assert list(found.places) == [1, 2, 3, 4, 5, 6]
    assert max(found.scores) < 6
    assert found.order == pytest.approx(0.0, abs=1e-9)
    assert found.chance_of_a(0, 5) > 0.95


def test_equals_are_in_the_order_of_their_numbers_whatever_the_last_digits_of_their_scores() -> None:
    for seed in range(5):
        rng = random.Random(seed)
        met = [Verdict(*rng.sample(pair, 2), rng.random() < 0.5) for pair in combinations(range(16), 2)]
        won = Counter(v.a if v.a_won else v.b for v in met)
        places = fit(16, met, order=False).places
        assert sorted(range(16), key=places.__getitem__) == sorted(range(16), key=lambda essay: (-won[essay], essay))


def test_what_the_order_does_in_points() -> None:
    level = [Verdict(a, b, (a + b + n) % 5 != 0) for n in range(5) for a, b in permutations(range(8), 2)]
    found = fit(8, level)  # A wins four of five, whoever it is
    assert found.order_points(level) == pytest.approx(0.3, abs=0.03)
    assert found.order_points([]) == 0.0
    assert max(map(abs, found.scores)) < 0.3


def test_nothing_asked_is_nothing_known() -> None:
    nothing = fit(4, [])
    assert nothing.scores == (0.0, 0.0, 0.0, 0.0)
    assert nothing.errors == pytest.approx([math.sqrt(PRIOR_VARIANCE * 3 / 4)] * 4)
    said = reliability(4, [], nothing)
    assert said == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("bad", [Verdict(0, 12, True), Verdict(-1, 2, True), Verdict(3, 3, False)])
def test_a_verdict_on_no_pair_is_refused(bad: Verdict) -> None:
    with pytest.raises(ValueError, match=f"a verdict on essays {bad.a} and {bad.b} of 12"):
        fit(ESSAYS, [bad])


def test_reliability_tells_apart_from_chance() -> None:
    real = verdicts(1, 400)
    rng = random.Random(3)
    guessed = [Verdict(v.a, v.b, rng.random() < 0.5) for v in real]
    sure, unsure = (reliability(ESSAYS, made, fit(ESSAYS, made)) for made in (real, guessed))
    assert min(sure) > 0.85
    assert max(unsure) < 0.6
    assert sure.separation < sure.estimated < 1


def test_correlation_is_pearsons() -> None:
    rng = random.Random(1)
    one = [rng.random() for _ in range(30)]
    other = [x + rng.random() for x in one]
    assert correlation(one, other) == pytest.approx(pearsonr(one, other).statistic)
    assert correlation(one, [1.0] * 30) == 0.0


def test_essays_that_the_order_moves_are_listed() -> None:
    def placed(*scores: float) -> Fit:
        return Fit(scores, (0.0,) * len(scores), 0.0, math.nan)

    assert movers(placed(5, 4, 3, 2, 1), placed(5, 4, 3, 2, 1)) == []
    assert movers(placed(5, 4, 3, 2, 1), placed(4, 5, 3, 2, 1)) == []  # one place is nothing
    assert movers(placed(5, 4, 3, 2, 1), placed(3, 5, 4, 2, 1)) == [(0, 1, 3)]
