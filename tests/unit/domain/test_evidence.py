"""Evidence: e-values are what a gambler makes, depend on counts alone, and cannot be expected to grow under the hypothesis."""

import itertools
import math
import random
from collections import Counter
from fractions import Fraction

import pytest

from domain.audited import EXCESS, MEASURES, POSITION, SHIFT, Measure
from domain.evidence import (
    BETS,
    MONTH,
    STARTS,
    Finding,
    alarm_threshold,
    audits_wanted,
    log_alarm,
    log_bets,
    log_certificate,
    log_evidence,
    log_wealth,
    null_shares,
    standing,
)

NULLS = {
    "excess": {-0.5: 0.10, 0.0: 0.85, 1.0: 0.05},
    "shift": {-1.0: 0.025, -0.5: 0.05, 0.0: 0.85, 0.5: 0.05, 1.0: 0.025},
    "position": {-0.5: 0.02, -0.25: 0.1, 0.0: 0.76, 0.25: 0.1, 0.5: 0.02},
}


def by_betting(measure: Measure, values: list[float], tolerance: float) -> float:
    """The e-value by its definition, one audit after the other, in exact fractions."""

    def gambler(sign: int) -> Fraction:
        limit = Fraction(tolerance)
        loss = limit - min(sign * Fraction(value) for value in measure.values)
        purses = [Fraction(1, len(BETS))] * len(BETS)
        for value in values:
            factors = (1 + Fraction(bet) / loss * (sign * Fraction(value) - limit) for bet in BETS)
            purses = [purse * factor for purse, factor in zip(purses, factors, strict=True)]
        return sum(purses, Fraction(0))

    return float((gambler(1) + gambler(-1)) / 2 if measure.two_sided else gambler(1))


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
@pytest.mark.parametrize("tolerance", [0.0, 0.02])
def test_it_is_what_a_gambler_makes_of_one(measure: Measure, tolerance: float) -> None:
    rng = random.Random(4)
    for audits in (0, 1, 7, 60):
        values = rng.choices(measure.values, k=audits)
        found = log_evidence(measure, Counter(values), tolerance=tolerance)
        assert math.exp(found) == pytest.approx(by_betting(measure, values, tolerance), rel=1e-9)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_one_more_audit_brings_nothing_on_average_when_the_mean_is_at_the_limit(measure: Measure) -> None:
    null = NULLS[measure.name]
    assert math.fsum(share * value for value, share in null.items()) == pytest.approx(0.0)
    so_far = Counter({measure.values[0]: 3, 0.0: 20, measure.largest: 4})

    def after(value: float) -> float:
        return math.exp(log_evidence(measure, so_far + Counter([value])))

    assert math.fsum(share * after(value) for value, share in null.items()) == pytest.approx(
        math.exp(log_evidence(measure, so_far))
    )
    # With a tolerance, honest judges lose on average.
    loses = math.fsum(share * math.exp(log_evidence(measure, {value: 1}, tolerance=0.02)) for value, share in null.items())
    assert loses < 1


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_every_bet_leaves_something_whatever_comes(measure: Measure) -> None:
    for tolerance in (-0.05, 0.0, 0.02, 0.2):
        assert all(math.isfinite(log) for of_bet in log_bets(measure.values, tolerance) for log in of_bet)
    with pytest.raises(ValueError, match="nothing can speak against it"):
        log_bets(measure.values, -1.0)


def test_a_value_that_the_measure_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"3 audits with excess 0\.5: it can be -0\.5, 0\.0, 1\.0"):
        log_evidence(EXCESS, {0.5: 3})


def test_direction_counts_for_shift_and_position_and_not_for_excess() -> None:
    towards_a, towards_b = {0.0: 400, 1.0: 60}, {0.0: 400, -1.0: 60}
    assert log_evidence(SHIFT, towards_a) == pytest.approx(log_evidence(SHIFT, towards_b))
    assert log_evidence(SHIFT, towards_a) > math.log(300)
    assert log_evidence(EXCESS, {0.0: 400, 1.0: 60}) > math.log(300)
    assert log_evidence(EXCESS, {0.0: 400, -0.5: 60}) < 0


def test_the_alarm_is_the_sum_over_starts_and_forgets_what_is_older() -> None:
    rng = random.Random(9)
    days = [Counter(rng.choices(SHIFT.values, weights=(1, 2, 30, 3, 2), k=12)) for _ in range(STARTS + 20)]
    watched = days[-STARTS:]
    since = (sum(watched[start:], Counter()) for start in range(STARTS))
    assert math.exp(log_alarm(SHIFT, days)) == pytest.approx(math.fsum(math.exp(log_evidence(SHIFT, each)) for each in since))
    assert log_alarm(SHIFT, days) == log_alarm(SHIFT, watched)
    assert log_alarm(SHIFT, []) == -math.inf
    assert log_alarm(SHIFT, [Counter()] * 3) == pytest.approx(math.log(3))  # days without audits say nothing


def test_the_alarms_threshold_is_what_the_bound_gives() -> None:
    assert alarm_threshold() == (45 + 30) * 3 / 0.01 == 22_500
    assert alarm_threshold(models=4, false_alarms=0.02) == (STARTS + MONTH) * 3 * 4 / 0.02


def test_a_certificate_bets_against_both_ends_of_the_margin() -> None:
    unbent = {0.0: 900, 0.5: 40, -0.5: 40, 1.0: 10, -1.0: 10}
    assert log_certificate(SHIFT, unbent, margin=0.05) > math.log(20)
    for towards in (1.0, -1.0):
        bent = {**unbent, towards: 90}
        assert log_certificate(SHIFT, bent, margin=0.05) < 0
    # At the margin itself it brings nothing on average.
    at_margin = {-0.5: 0.1, 0.0: 0.80, 1.0: 0.1}
    assert math.fsum(share * value for value, share in at_margin.items()) == pytest.approx(0.05)
    grown = math.fsum(share * math.exp(log_certificate(EXCESS, {value: 1}, margin=0.05)) for value, share in at_margin.items())
    assert grown == pytest.approx(1.0)


def test_there_is_no_ok_for_lack_of_data() -> None:
    nothing = standing(EXCESS, {})
    assert (nothing.finding, nothing.audits) == (Finding.NOT_KNOWN, 0)
    assert nothing.words() == f"not known yet (0 of about {nothing.wanted})"
    assert standing(EXCESS, {0.0: 30}).finding is Finding.NOT_KNOWN
    fine = standing(EXCESS, {-0.5: 100, 0.0: 850, 1.0: 50})
    assert (fine.finding, fine.words(), fine.audits) == (Finding.FINE, "shown fine", 1_000)
    bent = standing(EXCESS, {-0.5: 50, 0.0: 850, 1.0: 150})
    assert (bent.finding, bent.words()) == (Finding.BENT, "bent")
    assert bent.log10_bent > math.log10(300)
    # 1.5 points, and surely so, and surely below 5: fine, and the evidence still tells.
    slight = standing(EXCESS, {-0.5: 1_000, 0.0: 18_200, 1.0: 800})
    assert slight.finding is Finding.FINE
    assert slight.log10_bent > math.log10(300)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_how_many_audits_it_takes_follows_from_the_noise(measure: Measure) -> None:
    quiet, noisy = {0.0: 195, measure.largest: 5}, {0.0: 150, measure.largest: 50}
    assert audits_wanted(measure, quiet, margin=0.05) < audits_wanted(measure, noisy, margin=0.05)
    assert audits_wanted(measure, {}, margin=0.05) < audits_wanted(measure, {}, margin=0.03)
    for counts in ({}, quiet, noisy):
        shares = null_shares(measure, counts)
        assert sum(shares.values()) == pytest.approx(1.0)
        assert math.fsum(value * share for value, share in shares.items()) == pytest.approx(0.0)
    # So many audits, all as on average, are about enough.
    wanted = audits_wanted(measure, {}, margin=0.05)
    as_usual = {value: round(share * wanted) for value, share in null_shares(measure, {}).items()}
    assert log_certificate(measure, as_usual, margin=0.05) == pytest.approx(math.log(20), abs=0.5)


def test_sums_over_workers_and_any_order_of_audits_give_the_same() -> None:
    rng = random.Random(2)
    values = rng.choices(POSITION.values, k=300)
    workers = [Counter(values[start::3]) for start in range(3)]
    assert log_evidence(POSITION, sum(workers, Counter())) == log_evidence(POSITION, Counter(reversed(values)))
    assert all(measure.values == tuple(sorted(measure.values)) for measure in MEASURES)
    assert len(set(itertools.chain(*(measure.values for measure in MEASURES)))) == 7


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_what_each_bet_has_made_adds_up_over_workers_to_the_evidence_of_all(measure: Measure) -> None:
    rng = random.Random(8)
    one, other = (Counter(rng.choices(measure.values, k=k)) for k in (40, 70))
    parts = [log_wealth(measure, counts, tolerance=0.02) for counts in (one, other)]
    together = [math.exp(sum(part[bet] for part in parts)) for bet in parts[0]]
    assert len(together) == len(BETS) * (2 if measure.two_sided else 1)
    assert math.log(sum(together) / len(together)) == pytest.approx(log_evidence(measure, one + other, tolerance=0.02))
