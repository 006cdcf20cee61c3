"""Places for jobs: bounded, earliest deadline first, no waiting job forgotten."""

from agents.slots import Slots


def test_a_full_house_wakes_the_earliest_deadline_when_a_place_is_given_back() -> None:
    slots = Slots(1)
    woken: list[str] = []
    assert slots.take("a", 10, lambda: True)
    assert not slots.take("late", 30, lambda: woken.append("late") is None)
    assert not slots.take("soon", 20, lambda: woken.append("soon") is None)
    slots.release("a")
    assert woken == ["soon"]
    assert slots.take("soon", 20, lambda: True)
    slots.release("soon")
    assert woken == ["soon", "late"]


def test_a_job_that_no_longer_wants_its_place_does_not_keep_the_next_waiting() -> None:
    slots = Slots(1)
    woken: list[str] = []
    assert slots.take("a", 10, lambda: True)
    assert not slots.take("gone", 20, lambda: False)
    assert not slots.take("next", 30, lambda: woken.append("next") is None)
    slots.release("a")
    assert woken == ["next"]


def test_taking_twice_is_one_place_and_giving_back_a_stranger_none() -> None:
    slots = Slots(2)
    assert slots.take("a", 1, lambda: True)
    assert slots.take("a", 1, lambda: True)
    slots.release("b")
    assert slots.take("c", 1, lambda: True)
    assert not slots.take("d", 1, lambda: True)
