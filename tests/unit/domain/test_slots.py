"""Slots are dealt by a hash when a window is cut: each line keeps its members, in an order that has nothing to do with them."""

import itertools
import math
import random

from hypothesis import given
from hypothesis import strategies as st

from domain.census import Placed, Slots, third
from domain.comparison import Member
from domain.cutting import JobLimits, Pending, cut
from domain.essay_order import by_essays
from domain.job import ClosedBy, Policy
from domain.ranking import Verdict, fit
from tests.model.values import members, pending

SIZE = 8
ESSAYS = 24
PAIRS = list(itertools.combinations(range(ESSAYS), 2))


def lines_of(window: list[Pending], size: int = SIZE) -> list[tuple[Member, ...]]:
    limits = {"openai": JobLimits(1_000, 10**9, 10**9, size)}
    return [
        line
        for one in cut(window, closed_by=ClosedBy.QUIET, limits=limits, policies={"openai": Policy()})
        for line in one.lines
    ]


def a_round(key: str, pairs: list[tuple[int, int]]) -> list[Pending]:
    return [
        pending(member, strategy="serial_bundle", round_key=key, essays=pair)
        for member, pair in zip(members(len(pairs)), pairs, strict=True)
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(10, 19)), min_size=1, max_size=40), st.integers(2, 64))
def test_a_line_holds_the_same_comparisons_whatever_their_slots(pairs: list[tuple[int, int]], size: int) -> None:
    together = [Member(0, place) for place in by_essays(pairs, size)]
    expected = [set(together[start : start + size]) for start in range(0, len(together), size)]
    assert [set(line) for line in lines_of(a_round("cj:1:0", pairs), size)] == expected


def test_the_same_members_are_dealt_alike_and_others_of_another_round_otherwise() -> None:
    first, again, other = (lines_of(a_round(key, PAIRS)) for key in ("cj:1:0", "cj:1:0", "cj:2:0"))
    assert first == again
    assert [set(line) for line in first] == [set(line) for line in other]
    assert sum(one == another for one, another in zip(first, other, strict=True)) <= 1  # of 35: by chance 1 in 40,320


def test_each_member_comes_into_each_slot_equally_often() -> None:
    rounds = 1_600
    counts = [[0] * SIZE for _ in range(SIZE)]  # by place in the order of arrival, and slot
    for number in range(rounds):
        (line,) = lines_of([pending(member, strategy="serial_bundle", round_key=f"cj:{number}:0") for member in members(SIZE)])
        for slot, member in enumerate(line):
            counts[member.position][slot] += 1
    expected = rounds / SIZE
    chi_square = sum((count - expected) ** 2 / expected for row in counts for count in row)
    assert chi_square < 85.4  # 49 degrees of freedom: 1 in 1,000 by chance


def test_a_shift_of_late_slots_is_found_in_lines_as_they_are_cut() -> None:
    """Qualities follow the essays' numbers, by which a line is ordered until its slots are dealt."""
    for shift in (0.0, 0.9):
        rng, slots = random.Random(5), Slots()
        for number in range(5):
            pairs = [pair if rng.random() < 0.5 else pair[::-1] for pair in PAIRS]
            judged = []
            for line in lines_of(a_round(f"cj:{number}:0", pairs)):
                for slot, member in enumerate(line):
                    (a, b), at = pairs[member.position], third(slot, len(line))
                    chance = 1 / (1 + math.exp((b - a) / 6 - shift * (at == 2)))
                    judged.append(Placed(Verdict(a, b, rng.random() < chance), at))
            slots.see(fit(ESSAYS, [one.verdict for one in judged], errors=False), judged)
        assert (slots.late().shift_z > 2.58) == bool(shift), slots.late()
