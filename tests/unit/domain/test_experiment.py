"""An experiment's design is fair to every arm, and what it finds in planted judges is what was planted."""

import itertools
import math
import random
from collections import Counter

import pytest

from domain.evidence import Finding
from domain.experiment import SINGLES, SWAPPED, Arm, Verdict, arm, baseline, lines, precise

ESSAYS = list(itertools.combinations(range(24), 2))
ARMS = (*SINGLES, SWAPPED, "8")


def test_each_arm_asks_each_pair_once_in_an_order_of_its_own() -> None:
    made = lines(ESSAYS, (4, 8), seed=1)
    for name in (*SINGLES, SWAPPED, "4", "8"):
        asked = [pair for line in made if line.arm == name for pair in line.pairs]
        assert sorted(asked) == list(range(len(ESSAYS)))
    assert {len(line.pairs) for line in made if line.arm == "8"} <= {8, len(ESSAYS) % 8}
    assert made == lines(ESSAYS, (4, 8), seed=1) != lines(ESSAYS, (4, 8), seed=2)
    # No arm is asked earlier than another: the means of their places are near the middle.
    for name in ("again 1", SWAPPED):
        places = [at for at, line in enumerate(made) if line.arm == name]
        assert sum(places) / len(places) == pytest.approx(len(made) / 2, rel=0.1)


def test_slots_are_dealt_by_chance() -> None:
    slots = Counter[tuple[int, int]]()
    for seed in range(60):
        for line in lines(ESSAYS[:64], (8,), seed=seed):
            if line.arm == "8":
                slots.update((pair, slot) for slot, pair in enumerate(line.pairs))
    assert min(slots[pair, slot] for pair in range(64) for slot in range(8)) >= 1
    assert max(slots.values()) <= 20  # 7.5 on average


def answers(
    seed: int, *, shift: float = 0.0, turned: float = 0.0, garbled: float = 0.0, order: float = 0.0, pairs: int = 276
) -> dict[str, dict[int, Verdict]]:
    rng = random.Random(seed)
    truth = [rng.gauss(0, 3) for _ in range(24)]
    found: dict[str, dict[int, Verdict]] = {name: {} for name in ARMS}
    for number, line in enumerate(lines(ESSAYS[:pairs], (8,), seed=seed)):
        is_garbled = line.arm == "8" and rng.random() < garbled
        for slot, pair in enumerate(line.pairs):
            a, b = ESSAYS[pair]
            away = truth[a] - truth[b]
            logit = away + (-order if line.arm == SWAPPED else order) + (shift if line.arm == "8" else 0.0)
            a_won = rng.random() < 1 / (1 + math.exp(-logit))
            if line.arm == "8":
                a_won ^= rng.random() < turned
            if is_garbled:
                a_won = rng.random() < 0.5
            found[line.arm][pair] = Verdict(a_won, slot, number)
    return found


def found(**planted: float) -> Arm:
    return arm(8, answers(3, **planted), 276, margin=0.08)


def test_an_honest_judge_is_shown_fine_with_enough_pairs_and_not_known_with_few() -> None:
    honest = found()
    assert (honest.finding, honest.audits, honest.missing) == (Finding.FINE, 276, 0)
    assert honest.lines == 35
    few = arm(8, answers(3, pairs=40), 40, margin=0.08)
    assert few.finding is Finding.NOT_KNOWN
    assert few.wanted > 2 * few.audits
    assert few.words(0.08) == f"bundles of 8: not known yet (40 of about {few.wanted} pairs)"
    nothing = arm(8, {}, 0, margin=0.08)
    assert (nothing.finding, nothing.audits, nothing.excess[1:]) == (Finding.NOT_KNOWN, 0, (-0.5, 1.0))


def test_a_bent_judge_is_told_by_how_much_and_towards_what() -> None:
    shifted = found(shift=1.5)
    assert shifted.finding is Finding.BENT
    assert shifted.shift.low > 0.05
    assert f"they favour Essay A by {100 * shifted.shift.estimate:.1f} points" in shifted.words(0.08)
    assert "favour Essay B" in found(shift=-1.5).words(0.08)
    noisy = found(turned=0.25)
    assert noisy.finding is Finding.BENT
    assert "points more often than these do" in noisy.words(0.08)


def test_lines_that_fail_as_a_whole_widen_the_interval() -> None:
    def mean(**planted: float) -> tuple[float, float]:
        """Estimate, and width of the interval, over 12 judges."""
        seen = [arm(8, answers(seed, **planted), 276, margin=0.08).excess for seed in range(12)]
        return sum(one.estimate for one in seen) / 12, sum(one.high - one.low for one in seen) / 12

    garbled, turned = mean(garbled=0.25), mean(turned=0.125)  # both turn an eighth of all verdicts
    assert garbled[0] == pytest.approx(turned[0], abs=0.03)
    assert garbled[1] > 1.2 * turned[1]


def test_precise_is_what_is_precise_in_every_arm() -> None:
    one = found()
    reach = max(one.excess.high - one.excess.low, one.shift.high - one.shift.low) / 2
    assert precise([one, one], reach)
    assert not precise([one], reach * 0.99)
    assert not precise([one, arm(8, {}, 0, margin=0.08)], 0.5)


def test_the_baseline_tells_noise_from_bias() -> None:
    honest, ordered = baseline(answers(3)), baseline(answers(3, order=1.5))
    assert honest.position.low < 0 < honest.position.high
    assert ordered.position.low > 0.02
    assert honest.flips.estimate == pytest.approx(honest.retest.estimate, abs=0.06)
    assert ordered.flips.estimate > ordered.retest.estimate + 0.05
    assert baseline({}).pairs == 0


def test_pairs_without_all_answers_are_left_out_and_counted() -> None:
    seen = answers(3)
    del seen["8"][0], seen[SWAPPED][1], seen["again 2"][2]
    one = arm(8, seen, 276, margin=0.08)
    assert (one.audits, one.missing) == (273, 1)


def test_how_often_intervals_cover_where_lines_fail() -> None:
    """The truth is 0.15 * (0.5 - agreement) or so; here it is taken from many runs."""
    runs = [arm(8, answers(seed, garbled=0.15, pairs=160), 160, margin=0.08).excess for seed in range(60)]
    truth = sum(run.estimate for run in runs) / len(runs)
    assert sum(run.low <= truth <= run.high for run in runs) / len(runs) == pytest.approx(0.93, abs=0.08)
