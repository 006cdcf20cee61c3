"""Bundles are put together of comparisons that share essays."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from domain.cutting import JobLimits, cut
from domain.essay_order import SLICE, by_essays
from domain.job import ClosedBy, Policy
from tests.model.values import members, pending

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60)


@given(PAIRS, st.integers(1, 16))
def test_each_place_comes_once(pairs: list[tuple[int, int]], size: int) -> None:
    assert sorted(by_essays(pairs, size)) == list(range(len(pairs)))


def essays_sent(pairs: list[tuple[int, int]], order: list[int], size: int) -> int:
    runs = [order[at : at + size] for at in range(0, len(order), size)]
    return sum(len({essay for place in run for essay in pairs[place]}) for run in runs)


def test_a_dense_round_sends_each_essay_far_less_often() -> None:
    pairs = list(itertools.combinations(range(24), 2))
    random.Random(7).shuffle(pairs)
    as_they_came = essays_sent(pairs, list(range(len(pairs))), 8)
    together = essays_sent(pairs, list(by_essays(pairs, 8)), 8)
    assert together < 0.55 * as_they_came
    assert list(by_essays(pairs, 8)) == list(by_essays(pairs, 8))


def test_disjoint_pairs_stay_in_their_order() -> None:
    pairs = [(2 * n, 2 * n + 1) for n in range(20)]
    assert list(by_essays(pairs, 8)) == list(range(20))


def test_a_window_of_thousands_goes_slice_by_slice() -> None:
    pairs = [(n % 40, 100 + n % 41) for n in range(2 * SLICE + 5)]
    order = list(by_essays(pairs, 8))
    assert sorted(order[:SLICE]) == list(range(SLICE))
    assert sorted(order) == list(range(len(pairs)))


def test_a_cut_keeps_rounds_and_profiles_apart_and_comparisons_of_unknown_essays_together() -> None:
    of = members(12)
    essays = [(1, 2), (3, 4), (1, 5), (2, 5), None, (3, 6)]
    window = [
        pending(member, strategy="serial_bundle", essays=essays[place % 6], round_key=f"r{place // 6}")
        for place, member in enumerate(of)
    ]
    limits = {"openai": JobLimits(max_items=100, max_bytes=10**9, bundle_size=3)}
    (plan,) = cut(window, closed_by=ClosedBy.COMPLETE, limits=limits, policies={"openai": Policy()})
    places = [sorted(member.position for member in line) for line in plan.lines]  # slots are dealt (test_slots)
    assert places == [[0, 2, 3], [1, 4, 5], [6, 8, 9], [7, 10, 11]]
