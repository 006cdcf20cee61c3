"""Counts and oldest times that are kept up as things come and go."""

from hypothesis import given
from hypothesis import strategies as st

from domain.partition.tally import Tally


def test_the_oldest_is_told_again_when_it_has_left() -> None:
    tally: Tally[str, str] = Tally()
    for key, since_ms in (("b", 20), ("a", 10), ("c", 30)):
        tally.enter("g", key, since_ms)
    assert (tally.count("g"), tally.oldest_ms("g"), tally.keys("g")) == (3, 10, ("b", "a", "c"))
    assert tally.oldest_ms("g", without={"a", "b"}) == 30
    assert tally.oldest_ms("g") == 10  # those left out are still there
    tally.leave("g", "a")
    assert (tally.count("g"), tally.oldest_ms("g")) == (2, 20)


def test_an_empty_group_is_forgotten() -> None:
    tally: Tally[str, str] = Tally()
    tally.enter("g", "a", 1)
    tally.leave("g", "a")
    tally.leave("g", "a")
    assert (list(tally), tally.count("g"), tally.oldest_ms("g"), tally.keys("g")) == ([], 0, None, ())


def test_what_has_left_takes_no_room_though_nobody_asks() -> None:
    tally: Tally[str, int] = Tally()
    for key in range(10_000):
        tally.enter("g", key, key)
        if key >= 10:
            tally.leave("g", key - 10)
    assert len(tally._groups["g"]._heap) < 100
    assert tally.oldest_ms("g") == 9_990


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 5), st.integers(0, 9)), max_size=200))
def test_as_if_all_were_walked(steps: list[tuple[bool, int, int, int]]) -> None:
    tally: Tally[int, int] = Tally()
    plain: dict[int, dict[int, int]] = {0: {}, 1: {}}
    for enters, group, key, since_ms in steps:
        if enters:
            tally.enter(group, key, since_ms)
            plain[group][key] = since_ms
        else:
            tally.leave(group, key)
            plain[group].pop(key, None)
        for number, known in plain.items():
            assert tally.count(number) == len(known)
            assert tally.oldest_ms(number) == min(known.values(), default=None)
            few = {0, 1}
            assert tally.oldest_ms(number, few) == min((ms for one, ms in known.items() if one not in few), default=None)
    assert set(tally) == {number for number, known in plain.items() if known}
