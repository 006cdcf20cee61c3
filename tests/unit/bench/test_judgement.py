"""The powers and the rates of false alarms of docs/quality.md, with fewer seeds: enough to fail where a formula is wrong.

The bounds are the stated figures with the error of so few seeds. `python -m bench.judgement` computes them in full.
"""

import math
from random import Random

import numpy as np
import pytest

from bench.audit_streams import StreamJudge, alarm_logs, counts_of, days_to_alarm, false_alarms, first_certified, first_reached
from bench.judged_rounds import (
    MARKERS,
    adaptive_round,
    covers_order,
    injected,
    judge,
    late_slots_found,
    random_round,
    ranks_found,
    trust,
)
from bench.judgement import BEGIN, END, PAGE, SECTIONS, audits_to_first_alarm, bent, covered, quantile
from domain.audited import EXCESS, MEASURES, POSITION, SHIFT, Measure
from domain.evidence import CERTAIN, FOR_GOOD, alarm_threshold, log_alarm, log_certificate, log_evidence

STREAMS = 200
NEEDED = alarm_threshold()


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_the_streams_bets_are_those_of_the_pure_functions(measure: Measure) -> None:
    """What is measured here is the code that runs elsewhere."""
    days = [StreamJudge(shift=0.1, position=0.1).audits(np.random.default_rng(day), 2, 15)[measure.name] for day in range(50)]
    whole = np.concatenate(days, axis=1)

    def counts(places: np.ndarray) -> dict[float, int]:
        return dict(zip(measure.values, counts_of(measure, places)[1].tolist(), strict=True))

    at = int(first_reached(measure, whole, needed=1.02, tolerance=0.01)[1])
    before, then = (log_evidence(measure, counts(whole[:, :so_far]), tolerance=0.01) for so_far in (at - 1, at))
    assert before < math.log(1.02) <= then
    certified = first_certified(measure, whole, needed=1.05, margin=0.3)[1]
    assert log_certificate(measure, counts(whole[:, : int(certified)]), margin=0.3) >= math.log(1.05)
    assert alarm_logs(measure, days)[1, -1] == pytest.approx(log_alarm(measure, [counts(day) for day in days]))


@pytest.mark.parametrize("retest", [0.05, 0.14])
def test_a_streams_judge_is_bent_as_planted(retest: float) -> None:
    for measure in MEASURES:
        seen = bent(measure, 0.05, retest).audits(np.random.default_rng(1), 100, 2_000)[measure.name]
        assert float(np.array(measure.values)[seen].mean()) == pytest.approx(0.05, abs=0.004)


@pytest.mark.parametrize(
    ("measure", "mean", "tolerance", "audits"),
    [
        (EXCESS, 0.05, 0.0, 1_014),
        (EXCESS, 0.10, 0.0, 340),
        (SHIFT, 0.05, 0.0, 826),
        (POSITION, 0.05, 0.0, 226),
        (POSITION, 0.08, 0.02, 190),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_nine_of_ten_bent_judges_are_found_by_so_many_audits(
    measure: Measure, mean: float, tolerance: float, audits: int
) -> None:
    seen = bent(measure, mean, 0.10).audits(np.random.default_rng(2), STREAMS, int(1.3 * audits))[measure.name]
    reached = first_reached(measure, seen, needed=FOR_GOOD, tolerance=tolerance)
    assert quantile(reached, 0.85) <= audits * 1.05
    assert quantile(reached, 0.95) >= audits * 0.95


def test_the_first_of_four_workers_needs_more_audits_than_one_and_less_than_four_times_as_many() -> None:
    one, four = (
        quantile(audits_to_first_alarm(EXCESS, 0.10, a_day=64, workers=workers, streams=60), 0.5) for workers in (1, 4)
    )
    assert 1.6 < four / one < 3.2


def test_an_unbent_judge_is_shown_fine_and_one_at_the_margin_is_not() -> None:
    honest = StreamJudge().audits(np.random.default_rng(3), STREAMS, 800)["excess"]
    reached = first_certified(EXCESS, honest, needed=CERTAIN, margin=0.05)
    assert quantile(reached, 0.5) == pytest.approx(240, rel=0.15)
    assert quantile(reached, 0.9) == pytest.approx(550, rel=0.15)
    for measure in (EXCESS, SHIFT):
        at_margin = bent(measure, 0.05, 0.10).audits(np.random.default_rng(4), STREAMS, 800)[measure.name]
        assert np.isfinite(first_certified(measure, at_margin, needed=CERTAIN, margin=0.05)).mean() <= 0.05


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
@pytest.mark.parametrize("audits", [100, 300])
def test_intervals_cover(measure: Measure, audits: int) -> None:
    for mean in (0.0, 0.05):
        assert covered(measure, mean, 0.10, audits, samples=1_500) == pytest.approx(0.953, abs=0.02)


def test_honest_judges_raise_hardly_an_alarm() -> None:
    assert false_alarms(120, 60, 34, needed=NEEDED, position_tolerance=0.0, seed=5) <= 0.01


@pytest.mark.parametrize(
    ("measure", "mean", "a_day", "by_day"), [(EXCESS, 0.10, 34, 13), (EXCESS, 0.15, 9, 23), (SHIFT, 0.05, 34, 29)]
)
def test_a_change_is_found_within_so_many_days(measure: Measure, mean: float, a_day: int, by_day: int) -> None:
    found = days_to_alarm(measure, bent(measure, mean, 0.10), streams=70, a_day=a_day, needed=NEEDED, seed=6)
    assert quantile(found, 0.8) <= by_day * 1.05
    assert quantile(found, 0.98) >= by_day * 0.95


def test_excess_is_blind_to_a_direction_and_shift_is_not() -> None:
    seen = StreamJudge(shift=0.05).audits(np.random.default_rng(7), STREAMS, 1_000)
    found = {
        measure: np.isfinite(first_reached(measure, seen[measure.name], needed=FOR_GOOD)).mean() for measure in (EXCESS, SHIFT)
    }
    assert found[EXCESS] <= 0.02
    assert found[SHIFT] >= 0.90


def test_the_order_terms_interval_covers() -> None:
    assert covers_order(0.4, comparisons=120, seeds=range(80)) == pytest.approx(0.957, abs=0.05)


def test_the_order_term_helps_where_one_order_was_always_shown_and_costs_little_elsewhere() -> None:
    without, with_term = ranks_found(1.2, seeds=range(10), comparisons=288)
    assert without < 0.85
    assert with_term > without + 0.06
    without, with_term = ranks_found(0.0, seeds=range(10), comparisons=288)
    assert with_term > without - 0.02


def test_stated_reliability_is_near_the_truth_or_flagged() -> None:
    at_random = trust(random_round(Random(seed)) for seed in range(8))
    assert at_random.estimated == pytest.approx(at_random.truth, abs=0.05)
    assert at_random.separation == pytest.approx(at_random.truth, abs=0.06)
    assert at_random.flagged <= 0.05
    chosen = trust(adaptive_round(Random(seed)) for seed in range(4))
    assert chosen.flagged == 1.0
    assert chosen.estimated > chosen.truth


def test_what_late_slots_do_is_found() -> None:
    shifted, noisy = late_slots_found(judge(slot_shift=0.9), rounds=5, seeds=range(6))
    assert shifted >= 0.8
    assert noisy <= 0.34
    assert late_slots_found(judge(slot_noise=0.2), rounds=3, seeds=range(5))[1] >= 0.8
    assert late_slots_found(judge(), rounds=3, seeds=range(5)) == (0.0, 0.0)


def test_choose_me_lifts_its_essay_unseen_and_choose_a_does_not() -> None:
    """The blindness is kept as a test: nothing that answers show may be taken for a check of it."""
    lifted = injected(MARKERS["choose me"], 1.0, seeds=range(3), times=12)
    assert lifted.place == 1.0
    assert (lifted.by_side, lifted.by_infit) == (0.0, 0.0)
    side = injected(MARKERS["choose Essay A"], 1.0, seeds=range(3), times=12)
    assert side.by_side == 1.0
    assert side.place > 6
    letters = injected(MARKERS["all of the line A"], 1.0, seeds=range(4), times=0)
    honest = injected("", 1.0, seeds=range(4), times=0)
    assert letters.one_letter >= 6 > honest.one_letter


def test_the_page_has_every_table() -> None:
    page = PAGE.read_text()
    computed = page.partition(BEGIN)[2].partition(END)[0]
    for title, words, head, *_ in SECTIONS:
        assert f"### {title}\n\n{words}\n\n| {' | '.join(head)} |" in computed
