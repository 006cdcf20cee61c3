"""Intervals: Wilson's beside scipy's, agreement by its definition, clusters and classes taken for what they are."""

import itertools
import math
import random
from statistics import fmean

import pytest
from scipy.stats import binomtest
from scipy.stats import t as students

from domain.audited import EXCESS, SHIFT
from domain.intervals import (
    Interval,
    OfPair,
    at_large,
    calibration,
    calibration_error,
    clustered_interval,
    kappa,
    mean_interval,
    stated,
    student,
    wilson,
)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (0, 30), (3, 7), (85, 100), (30, 30), (500, 10_000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_is_scipys(hits: int, n: int, level: float) -> None:
    theirs = binomtest(hits, n).proportion_ci(level, method="wilson")
    ours = wilson(hits, n, level=level)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert ours.estimate == hits / n


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0)[1:] == (0.0, 1.0)
    assert mean_interval(EXCESS, {})[1:] == (-0.5, 1.0)
    assert calibration_error({})[1:] == (0.0, 1.0)
    assert math.isnan(kappa(0, 0, 0, 0))
    with pytest.raises(ValueError, match="1 lines with audits: an interval by lines takes at least 2"):
        clustered_interval([(8, 1.0), (0, 0.0)])


def test_a_means_interval_is_walds_with_two_audits_more() -> None:
    counts = {-0.5: 10, 0.0: 80, 1.0: 10}
    values = [*([-0.5] * 10), *([0.0] * 80), *([1.0] * 10), -0.5, 0.5]
    mean = fmean(values)
    error = math.sqrt(fmean((value - mean) ** 2 for value in values) * 102 / 101 / 102)
    found = mean_interval(EXCESS, counts)
    assert found.estimate == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx((mean - 1.959964 * error, mean + 1.959964 * error), abs=1e-6)
    # Nobody differs from anybody: still no certainty.
    agreeing = mean_interval(SHIFT, {0.0: 50})
    assert agreeing.low < -0.02 < 0.02 < agreeing.high
    assert not agreeing.surely
    assert mean_interval(SHIFT, {0.0: 50, 1.0: 50}).low == pytest.approx(0.4, abs=0.02)
    assert mean_interval(SHIFT, {0.0: 50, 1.0: 50}).surely
    assert mean_interval(SHIFT, {0.0: 50, -1.0: 50}).high == pytest.approx(-0.4, abs=0.02)
    assert mean_interval(SHIFT, {0.0: 50, -1.0: 50}).surely


def test_lines_that_fail_as_a_whole_are_counted_as_wholes() -> None:
    def holds(clustered: bool, seed: int) -> bool:
        rng = random.Random(seed)
        lines = []
        for _ in range(60):
            chance = 0.5 if rng.random() < 0.1 else 0.05
            lines.append((8, float(sum(rng.random() < chance for _ in range(8)))))
        truth = 0.1 * 0.5 + 0.9 * 0.05
        found = clustered_interval(lines) if clustered else wilson(int(sum(total for _, total in lines)), 480)
        return found.low <= truth <= found.high

    by_line, by_item = (fmean(holds(clustered, seed) for seed in range(400)) for clustered in (True, False))
    assert by_line == pytest.approx(0.935, abs=0.03)
    assert by_item < 0.85


def test_kappa_is_agreement_beyond_chance() -> None:
    # 75 of 100 agree; with 60 % A in one series and 55 % in the other 51 would by chance.
    assert kappa(45, 30, 15, 10) == pytest.approx((0.75 - 0.51) / (1 - 0.51))
    assert kappa(50, 50, 0, 0) == 1.0
    assert kappa(25, 25, 25, 25) == 0.0
    assert math.isnan(kappa(10, 0, 0, 0))


def test_calibration_error_is_what_the_classes_are_off() -> None:
    assert [stated(confidence) for confidence in range(1, 6)] == [0.5, 0.625, 0.75, 0.875, 1.0]
    found = calibration_error({5: (80, 100), 1: (60, 100)})
    assert found.estimate == pytest.approx((0.2 + 0.1) / 2)
    assert 0 < found.low < found.estimate < found.high

    def holds(seed: int) -> bool:
        rng = random.Random(seed)
        classes = {5: (0.85, 150), 4: (0.7, 100), 2: (0.8, 60)}  # 15, 17.5 and 17.5 points off
        seen = {confidence: (sum(rng.random() < right for _ in range(n)), n) for confidence, (right, n) in classes.items()}
        found = calibration_error(seen)
        return found.low <= (0.15 * 150 + 0.175 * 160) / 310 <= found.high

    assert fmean(holds(seed) for seed in range(400)) == pytest.approx(0.95, abs=0.035)


@pytest.mark.parametrize("freedom", [3, 5, 8, 30, 400])
@pytest.mark.parametrize("level", [0.95, 0.99, 0.995])
def test_students_quantile_is_scipys(freedom: int, level: float) -> None:
    assert student(level, freedom) == pytest.approx(students.ppf((1 + level) / 2, freedom), rel=0.02)


def test_two_lines_more_are_no_part_of_the_estimate() -> None:
    agreeing = clustered_interval([(8, 0.0)] * 10, pseudo=0.5)
    assert agreeing.low < 0 == agreeing.estimate < agreeing.high
    assert clustered_interval([(8, 4.0)] * 10, pseudo=0.5).estimate == 0.5


def test_essays_at_large_are_covered_where_essays_differ_and_not_much_too_wide_where_they_do_not() -> None:
    pairs = list(itertools.combinations(range(20), 2))

    def at(seed: int, of_essay: float) -> tuple[Interval, Interval]:
        rng = random.Random(seed)
        own = [rng.gauss(0, of_essay) for _ in range(20)]
        made = [OfPair(pair, 2, 2 * (own[pair[0]] + own[pair[1]] + rng.gauss(0, 0.5))) for pair in pairs]
        by_pairs = clustered_interval((one.audits, one.total) for one in made)
        return by_pairs, at_large(made, by_pairs)

    differing = [at(seed, 0.15) for seed in range(300)]
    assert fmean(large.low <= 0 <= large.high for _, large in differing) == pytest.approx(0.94, abs=0.035)
    assert fmean(here.low <= 0 <= here.high for here, _ in differing) < 0.75
    alike = [at(seed, 0.0) for seed in range(100)]
    assert fmean((large.high - large.low) / (here.high - here.low) for here, large in alike) < 1.25
    assert all(large.low <= here.low and here.high <= large.high for here, large in (*alike, *differing))


def test_of_other_essays_nothing_is_known_from_a_few_or_where_one_is_in_every_pair() -> None:
    here = Interval(0.1, 0.0, 0.2)
    assert at_large([OfPair((0, 1), 1, 0.0), OfPair((1, 2), 1, 0.5)], here) == Interval(0.1, -1.0, 1.0)
    assert at_large([OfPair((0, other), 1, 0.0) for other in range(1, 9)], here) == Interval(0.1, -1.0, 1.0)
    assert at_large([], here) == Interval(0.1, -1.0, 1.0)


def test_what_a_fitting_confidence_shows_by_chance_is_told_beside_the_error() -> None:
    def seen(seed: int, off: float) -> list[tuple[float, bool]]:
        rng = random.Random(seed)
        return [(sure, rng.random() < stated(sure) - off) for sure in (1, 2, 3, 4) for _ in range(60)]

    fitting = [calibration(seen(seed, 0.0)) for seed in range(200)]
    assert fmean(one.error.estimate for one in fitting) == pytest.approx(fmean(one.by_chance for one in fitting), rel=0.1)
    assert abs(fmean(one.too_sure for one in fitting)) < 0.01
    off = calibration(seen(1, 0.2))
    assert off.too_sure == pytest.approx(0.2, abs=0.06)
    assert off.error.low > off.by_chance
    assert off.by_confidence.keys() == {1, 2, 3, 4}
    assert calibration([]).error[1:] == (0.0, 1.0)
