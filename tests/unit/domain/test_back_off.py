"""Waits grow, up to the longest."""

from hypothesis import given
from hypothesis import strategies as st

from domain.back_off import BackOff


def test_each_wait_is_so_many_times_the_one_before_up_to_the_longest() -> None:
    polls = BackOff(5, 300, factor=1.5)
    assert [polls.wait_s(before) for before in (0, 1, 2, 50, 10**9)] == [5, 7.5, 11.25, 300, 300]
    assert [BackOff(30, 900).wait_s(before) for before in (0, 1, 4, 5, 32)] == [30, 60, 480, 900, 900]


@given(st.integers(0, 10**6), st.floats(0.1, 300), st.floats(1, 10), st.floats(0.1, 300))
def test_a_wait_is_between_the_first_and_the_longest(before: int, first_s: float, factor: float, most_s: float) -> None:
    assert min(first_s, most_s) <= BackOff(first_s, most_s, factor).wait_s(before) <= most_s
