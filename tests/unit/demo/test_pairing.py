"""The demo's pairing: every essay once a round, no avoidable repeat, and a ranking that comes out right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from demo import pairing

ESSAYS = 24


def play(seed: int, *, rounds: int = 10, error_rate: float = 0.05) -> tuple[float, list[list[pairing.Pair]]]:
    """Play against a judge that errs at `error_rate`; returns the rank correlation and each round's pairs."""
    rng = np.random.default_rng(seed)
    quality = rng.permutation(ESSAYS)
    verdicts: list[pairing.Pair] = []
    played: list[list[pairing.Pair]] = []
    for _ in range(rounds):
        asked = [pair for pairs in played for pair in pairs]
        pairs = pairing.next_round(ESSAYS, verdicts, asked, rng)
        played.append(pairs)
        for a, b in pairs:
            right = bool(rng.random() >= error_rate)
            verdicts.append((a, b) if (quality[a] > quality[b]) == right else (b, a))
    return float(spearmanr(pairing.scores(ESSAYS, verdicts), quality).statistic), played


@pytest.mark.parametrize("seed", range(12))
def test_ten_rounds_recover_the_order_although_the_judge_errs(seed: int) -> None:
    correlation, played = play(seed)

    assert correlation >= 0.9
    for pairs in played:
        assert sorted(essay for pair in pairs for essay in pair) == list(range(ESSAYS))
    assert len({frozenset(pair) for pairs in played for pair in pairs}) == 120


def test_a_judge_who_never_errs_gives_nearly_the_whole_order() -> None:
    assert min(play(seed, error_rate=0.0)[0] for seed in range(4)) >= 0.97


@given(essays=st.integers(2, 9), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_no_pair_meets_twice_while_that_can_be_avoided(essays: int, seed: int) -> None:
    """For essays // 2 rounds a round without a repeat always exists (Dirac), whatever was played before."""
    rng = np.random.default_rng(seed)
    asked: list[pairing.Pair] = []
    for _ in range(max(1, essays // 2)):
        pairs = pairing.next_round(essays, [], asked, rng)
        assert len(pairs) == essays // 2
        assert len({essay for pair in pairs for essay in pair}) == 2 * (essays // 2)
        asked += pairs

    assert len({frozenset(pair) for pair in asked}) == len(asked)


def test_the_same_seed_gives_the_same_rounds_and_another_seed_others() -> None:
    assert play(3, rounds=3) == play(3, rounds=3)
    assert play(3, rounds=3)[1] != play(4, rounds=3)[1]


def test_either_side_is_a_about_as_often() -> None:
    pairs = [pair for seed in range(4) for pairs in play(seed, rounds=4)[1] for pair in pairs]

    assert 0.35 < sum(a < b for a, b in pairs) / len(pairs) < 0.65


def test_one_essay_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="at least 2 essays, there are 1"):
        pairing.next_round(1, [], [], np.random.default_rng(0))
