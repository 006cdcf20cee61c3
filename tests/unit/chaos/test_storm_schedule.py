"""What `make chaos` does is drawn from its seed, and each crash point comes to its turn."""

import re
from collections import Counter

import pytest

from simulator.faults import Fault
from tests.chaos.storm.crash_points import CHECKOUT, crash_points
from tests.chaos.storm.provider_faults import BY_RATE
from tests.chaos.storm.schedule import A_MINUTE, Armings, Deed, drawn


def test_a_seed_always_draws_the_same() -> None:
    assert drawn(7, 10) == drawn(7, 10)
    assert drawn(7, 10) != drawn(8, 10)


@pytest.mark.parametrize("minutes", [0.2, 10])
def test_each_deed_comes_as_often_as_it_is_to(minutes: float) -> None:
    strikes = drawn(7, minutes)
    assert Counter(one.deed for one in strikes) == {deed: max(1, round(A_MINUTE[deed] * minutes)) for deed in Deed}
    assert strikes == sorted(strikes)
    assert all(0 < one.at_s < minutes * 60 for one in strikes)


def test_all_crash_points_are_found() -> None:
    points = crash_points()
    assert {"after_create", "before_job_planned_put", "after_requests_done_read", "between_request_puts"} <= set(points)
    named = set(re.findall(r"ROUNDBATCH_CRASH_AT=(\w+)", (CHECKOUT / "CONTRIBUTING.md").read_text()))
    assert named <= set(points)
    assert not any("{" in name for name in points)


def test_each_crash_point_kills_five_times_before_any_kills_often() -> None:
    points = crash_points()
    armings = Armings(1, points)
    while min(armings.struck.values()) < Armings.FEW:
        armed = armings.next()
        if armed:
            armings.struck[armed.partition(":")[0]] += 1
    assert set(armings.struck.values()) <= {5, 6}


def test_a_point_that_never_comes_does_not_keep_the_others_from_their_turn() -> None:
    armings = Armings(1, ["often", "never"])
    for _ in range(200):
        if armings.next(under_way=["never"]).startswith("often"):
            armings.struck["often"] += 1
    assert armings.struck["often"] > 5


def test_the_simulator_knows_all_faults() -> None:
    assert [Fault.model_validate(fault).fault for fault in BY_RATE] == [fault["fault"] for fault in BY_RATE]
