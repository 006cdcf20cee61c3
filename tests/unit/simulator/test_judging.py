"""What is planted in the simulated judge is found back in its verdicts."""

import math
from collections.abc import Callable, Iterator
from functools import cache
from statistics import fmean
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

from domain.audited import Audited
from domain.intervals import stated
from providers.prompts.answer_schema import schema_of
from simulator.answers import reasons_first, write_answer
from simulator.comparisons import Comparison
from simulator.judge import Pair, Verdict, judge
from simulator.judging import CHOOSE_A, CHOOSE_ME, LINE_A, Judge, judge_line
from simulator.settings import SimulatorSettings
from simulator.traits import JudgeTraits, Place, Sides, expected

SEED = 3
PAIRS = 1_000
SIZE = 8
SLOPE = 6.0


def pair(n: int, more: str = "", more_b: str = "") -> Pair:
    """Pairs of 40 essays, of which each has the same quality in all of its pairs."""
    one, other = n % 40, (n * 7 + 1 + n // 40) % 40
    other = other if other != one else (one + 1) % 40
    return Pair(f"e{one}", f"[quality:{one / 39:.3f}] {more}", f"e{other}", f"[quality:{other / 39:.3f}] {more_b}")


def turned_over(of: Pair) -> Pair:
    return Pair(of.b_id, of.b_text, of.a_id, of.a_text)


class Asked(NamedTuple):
    """One pair asked in a bundle, twice alone, and once swapped: what that shows, and where in the bundle it was."""

    audit: Audited
    place: Place
    sides: Sides


@cache
def asked(traits: JudgeTraits) -> tuple[Asked, ...]:
    return tuple(_asked(traits))


def _asked(traits: JudgeTraits) -> Iterator[Asked]:
    pairs = [pair(n) for n in range(PAIRS)]
    for start in range(0, PAIRS - SIZE + 1, SIZE):
        of_line = pairs[start : start + SIZE]
        there = judge_line(of_line, [3 * start + 2] * SIZE, traits, seed=SEED, now=0.0)
        for slot, (each, delivered) in enumerate(zip(of_line, there, strict=True)):
            once, again = (judge_line([each], [3 * start + nth], traits, seed=SEED, now=0.0)[0] for nth in (0, 1))
            (other,) = judge_line([turned_over(each)], [3 * start], traits, seed=SEED, now=0.0)
            a_won = [verdict.winner == "A" for verdict in (delivered, once, again)]
            yield Asked(Audited(*a_won, other.winner == "B"), Place(slot, SIZE), Sides.of(each))


MEASURES: dict[str, Callable[[Audited], float]] = {
    "retest": lambda audit: audit.retested,
    "flip": lambda audit: audit.flipped,
    "position": lambda audit: audit.position,
    "excess": lambda audit: audit.excess,
    "shift": lambda audit: audit.shift,
}


@pytest.mark.parametrize(
    "planted",
    [
        {},
        {"retest": 1.0},
        {"retest": 0.4, "position_bias": 0.8},
        {"retest": 1.0, "bundle_shift": 0.1},
        {"retest": 0.5, "bundle_noise": 0.02},
        {"retest": 1.0, "slot_shift": 0.9, "slot_noise": 0.2},
        {"retest": 0.5, "line_garbled": 0.2},
        {"retest": 0.5, "pair_noise": 1.5, "position_bias": -0.5, "bundle_shift": -0.05, "bundle_noise": 0.01},
    ],
    ids=str,
)
def test_each_planted_value_is_found_within_its_error(planted: dict[str, Any]) -> None:
    traits = JudgeTraits(judge_slope=SLOPE, **planted)
    seen = asked(traits)
    planned = [expected(one.sides, traits, seed=SEED, place=one.place) for one in seen]

    for name, measure in MEASURES.items():
        # By line, for the verdicts of a garbled one fail together.
        off = [measure(one.audit) - getattr(is_planned, name) for one, is_planned in zip(seen, planned, strict=True)]
        by_line = [fmean(off[at : at + SIZE]) for at in range(0, len(off), SIZE)]
        error = math.sqrt(sum(each**2 for each in by_line)) / len(by_line)
        assert abs(fmean(off)) <= 3.5 * error + 1e-9, name


def test_what_is_planted_is_seen_by_the_measure_that_is_for_it() -> None:
    def found(measure: str, **planted: float) -> float:
        return fmean(MEASURES[measure](one.audit) for one in asked(JudgeTraits(judge_slope=SLOPE, retest=1.0, **planted)))

    assert abs(found("excess")) < 0.04
    assert found("excess", bundle_noise=0.02) > 0.06
    assert found("shift", bundle_shift=0.1) > 0.05
    assert abs(found("shift", bundle_noise=0.02)) < 0.04
    assert found("position", position_bias=0.8) > 0.05
    late = [one.audit.excess for one in asked(JudgeTraits(judge_slope=SLOPE, slot_noise=0.2)) if one.place.late]
    assert fmean(late) > 0.1


def test_a_swap_alone_changes_no_mind() -> None:
    assert not any(one.audit.flipped or one.audit.retested for one in asked(JudgeTraits(judge_slope=SLOPE)))


def test_confidence_fits_the_chance_of_the_verdict() -> None:
    def shares(slope: float) -> dict[int, float]:
        of: dict[int, list[bool]] = {}
        traits = JudgeTraits(judge_slope=SLOPE, retest=1.0, confidence_slope=slope)
        for n in range(PAIRS):
            sides = Sides.of(pair(n))
            (verdict,) = judge_line([pair(n)], [3 * n + 2], traits, seed=SEED, now=0.0)
            better = "A" if sides.quality_a > sides.quality_b else "B"
            of.setdefault(verdict.confidence, []).append(verdict.winner == better)
        return {confidence: fmean(right) for confidence, right in of.items()}

    fitting = shares(1.0)
    for confidence, share in fitting.items():
        assert share == pytest.approx(stated(confidence), abs=0.08)
    assert shares(3.0)[5] < fitting[5] - 0.05
    assert set(shares(0.0)) == {1}


def test_pair_noise_makes_circles() -> None:
    def circles(noise: float) -> int:
        traits = JudgeTraits(judge_slope=SLOPE, pair_noise=noise)
        essays = [(f"e{n}", f"[quality:{n / 19:.3f}]") for n in range(20)]

        def beats(one: int, other: int) -> bool:
            return judge_line([Pair(*essays[one], *essays[other])], [0], traits, seed=SEED, now=0.0)[0].winner == "A"

        found = 0
        for a in range(20):
            for b in range(a):
                for c in range(b):
                    found += beats(a, b) == beats(b, c) == beats(c, a)
        return found

    assert circles(3.0) > circles(0.0) + 50


def test_markers_are_obeyed_as_often_as_told() -> None:
    def a_won(marker: str, obeyed: float, in_b: bool = False) -> float:
        traits = JudgeTraits(judge_slope=SLOPE, retest=1.0, injection_obeyed=obeyed)
        texts = [pair(n, *(("", marker) if in_b else (marker,))) for n in range(PAIRS)]
        return fmean(judge_line([each], [n], traits, seed=SEED, now=0.0)[0].winner == "A" for n, each in enumerate(texts))

    honest = a_won("", 1.0)
    for marker in (CHOOSE_ME, CHOOSE_A, LINE_A):
        assert a_won(marker, 1.0) == 1.0
        assert a_won(marker, 0.0) == honest
        assert a_won(marker, 0.5) == pytest.approx((1 + honest) / 2, abs=0.04)
    assert a_won(CHOOSE_ME, 1.0, in_b=True) == 0.0
    assert a_won(CHOOSE_A, 1.0, in_b=True) == 1.0


def test_a_marker_for_the_line_turns_all_of_it_at_once() -> None:
    traits = JudgeTraits(judge_slope=SLOPE, retest=1.0, injection_obeyed=0.5)
    lines = 0
    for start in range(0, 800, SIZE):
        of_line = [pair(start + slot, LINE_A if slot == 3 else "") for slot in range(SIZE)]
        verdicts = judge_line(of_line, [start] * SIZE, traits, seed=SEED, now=0.0)
        lines += {verdict.winner for verdict in verdicts} == {"A"}
    assert 35 <= lines <= 65  # of 100


def test_from_its_day_on_the_judge_turns_its_share_of_pairs() -> None:
    traits = JudgeTraits(judge_slope=SLOPE, judge_change_at=1_000.0, judge_change_turned=0.2)

    def winners(now: float) -> list[str]:
        return [judge_line([pair(n)], [0], traits, seed=SEED, now=now)[0].winner for n in range(PAIRS)]

    before, after = winners(999.0), winners(1_000.0)
    distinct = {Sides.of(pair(n)).essays: before[n] != after[n] for n in range(PAIRS)}
    assert fmean(distinct.values()) == pytest.approx(0.2, abs=0.06)
    assert winners(2_000.0) == after


def test_without_a_slope_the_judge_is_as_it_was_and_has_no_other_traits() -> None:
    of_line = [Comparison(f"c{n:02}", "", pair(n)) for n in range(SIZE)]
    made = Judge(SEED, SimulatorSettings(judge_error_rate=0.3))
    for _ in range(3):
        assert made.verdicts(of_line, 0.0) == {
            each.key: judge(pair(n), seed=SEED, error_rate=0.3) for n, each in enumerate(of_line)
        }
    assert made.truth()["expected"] == {}
    with pytest.raises(ValidationError, match=r"bundle_shift is 0\.1 without judge_slope; set judge_slope"):
        SimulatorSettings(bundle_shift=0.1)


def test_asked_again_the_judge_draws_again_and_after_a_reset_as_the_first_time() -> None:
    of_line = [Comparison(f"c{n:02}", "", pair(n)) for n in range(SIZE)]
    made = Judge(SEED, SimulatorSettings(judge_slope=1.0, retest=1.0))
    times = [made.verdicts(of_line, 0.0) for _ in range(4)]
    assert len({str(each) for each in times}) > 1
    made.forget()
    assert [made.verdicts(of_line, 0.0) for _ in range(4)] == times


def test_a_judge_may_be_sharper_where_its_reasons_come_first() -> None:
    of_line = [Comparison(f"c{n:02}", "", pair(n)) for n in range(SIZE)]
    made = Judge(SEED, SimulatorSettings(judge_slope=1.0, retest=1.0, reasons_first_slope=50.0))
    better = {
        one.key: "A" if Sides.of(pair(n)).quality_a > Sides.of(pair(n)).quality_b else "B" for n, one in enumerate(of_line)
    }

    def right(*, reasons_first: bool) -> float:
        told = [made.verdicts(of_line, 0.0, reasons_first=reasons_first) for _ in range(20)]
        return fmean(verdict.winner == better[key] for verdicts in told for key, verdict in verdicts.items())

    assert right(reasons_first=False) < 0.8
    assert "reasons_first" not in made.truth()["expected"]
    assert right(reasons_first=True) > 0.9
    expected = made.truth()["expected"]
    assert expected["reasons_first"]["retest"] < 0.2 < expected["retest"]
    made.forget()
    assert made.truth()["expected"] == {}


@pytest.mark.parametrize("answers", [1, 3])
def test_which_of_an_answer_comes_first_is_read_from_its_schema(answers: int) -> None:
    for reasons in (False, True):
        schema = schema_of(answers, reasons_first=reasons)
        assert reasons_first(schema) is reasons
        written = write_answer(schema, lambda key: Verdict.of("A", 4), None, ()).text
        assert (written.index("justification") < written.index("winner")) is reasons
    assert not reasons_first(None)
