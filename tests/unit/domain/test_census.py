"""What answers tell of slots and lines: sums that add up over rounds, and effects that are planted."""

import math
import random

import pytest

from domain.census import Deviation, Placed, Slots, bundle_class, chance_of_one_letter, one_letter_lines, third
from domain.ranking import Fit, Verdict

LEVEL = Fit((0.0,) * 6, (0.0,) * 6, 0.0, math.nan)
"""All essays alike: A wins with chance 0.5."""
UNEVEN = Fit((2.0, 1.0, 0.0, 0.0, -1.0, -2.0), (0.0,) * 6, 0.0, math.nan)


def test_thirds_of_lines() -> None:
    assert [third(slot, 8) for slot in range(8)] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert [third(slot, 2) for slot in range(2)] == [0, 1]
    assert third(0, 1) == 0


def test_bundle_classes() -> None:
    assert [bundle_class(size) for size in (1, 2, 8, 9, 16, 17, 64)] == ["1", "2-8", "2-8", "9-16", "9-16", "17-64", "17-64"]


def placed(seed: int, shift: float, turned: float, count: int = 3_000) -> list[Placed]:
    rng = random.Random(seed)
    made = []
    for at in range(count):
        a, b = rng.sample(range(6), 2)
        late = at % 8 >= 6
        a_won = rng.random() < 1 / (1 + math.exp(UNEVEN.scores[b] - UNEVEN.scores[a] - shift * late))
        made.append(Placed(Verdict(a, b, a_won != (late and rng.random() < turned)), third(at % 8, 8)))
    return made


@pytest.mark.parametrize(
    ("shift", "turned", "shifted", "noisy"), [(0.0, 0.0, False, False), (0.7, 0.0, True, False), (0.0, 0.25, False, True)]
)
def test_what_happens_in_late_slots_is_told_apart(shift: float, turned: float, shifted: bool, noisy: bool) -> None:
    slots = Slots()
    for seed in range(2):  # two rounds
        slots.see(UNEVEN, placed(seed, shift, turned))
    late = slots.late()
    assert (abs(late.shift_z) > 3.3) == shifted
    assert (late.noise_z > 3.3) == noisy
    assert late.more_a == pytest.approx(0.11 if shifted else 0.0, abs=0.04)


def test_z_scores_are_standard_where_nothing_is_planted() -> None:
    found = []
    for seed in range(150):
        slots = Slots()
        slots.see(UNEVEN, placed(seed, 0.0, 0.0, count=400))
        found.append(slots.late())
    for name in ("shift_z", "noise_z"):
        squares = [getattr(one, name) ** 2 for one in found]
        assert sum(squares) / len(squares) == pytest.approx(1.0, abs=0.35)


def test_sums_of_rounds_add_up_and_one_side_alone_tells_nothing() -> None:
    one, other, both = Deviation(), Deviation(), Deviation()
    for at, (a_won, chance) in enumerate([(True, 0.5), (False, 0.9), (True, 0.2)]):
        both.see(a_won, chance)
        (one if at else other).see(a_won, chance)
    one.add(other)
    assert (one.n, one.more_a, one.surprise) == (3, pytest.approx(both.more_a), pytest.approx(both.surprise))
    assert one.spread == pytest.approx(0.25 + 0.09 + 0.16)
    slots = Slots()
    slots.see(LEVEL, [Placed(Verdict(0, 1, True), 2)])
    assert slots.late() == (0.0, 0.0, 0.0)


def test_one_letter_lines_beside_their_chance() -> None:
    assert chance_of_one_letter([0.5] * 6) == pytest.approx(2 / 64)
    assert chance_of_one_letter([0.9, 0.2]) == pytest.approx(0.18 + 0.08)
    same = [Verdict(0, 1, True)] * 6
    mixed = [*[Verdict(0, 1, True)] * 5, Verdict(0, 1, False)]
    found = one_letter_lines(LEVEL, [same, mixed, same[:5]])  # the last is too short to count
    assert (found.lines, found.expected) == (1, pytest.approx(4 / 64))
