"""Polling: when to look again, and when a job is certainly absent."""

from hypothesis import given
from hypothesis import strategies as st

from domain.job import Claim
from domain.polling import AbsenceRule, poll_delay_s

RULE = AbsenceRule(create_timeout_s=120, clock_skew_s=60, settle_s=180)
CLAIM = Claim(7, "run", append_ms=1_000_000, start_within_s=30, key_hash="k")
FROM_MS = 1_000_000 + 210_000  # start_within + create timeout + skew
SCANS = st.lists(st.integers(0, 3_000_000), max_size=6)


def test_polls_back_off_to_the_longest_wait() -> None:
    waits = [poll_delay_s(polls, first_s=5, factor=1.5, max_s=300) for polls in (0, 1, 2, 50, 10**9)]
    assert waits == [5, 7.5, 11.25, 300, 300]


@given(st.integers(0, 10**6), st.floats(0.1, 300), st.floats(1, 10), st.floats(0.1, 300))
def test_a_wait_is_between_the_first_and_the_longest(polls: int, first_s: float, factor: float, max_s: float) -> None:
    assert min(first_s, max_s) <= poll_delay_s(polls, first_s=first_s, factor=factor, max_s=max_s) <= max_s


def test_two_late_scans_apart_say_absent() -> None:
    assert RULE.certainly_absent(CLAIM, (FROM_MS, FROM_MS + 180_000))


def test_no_scan_and_one_scan_say_nothing() -> None:
    assert not RULE.certainly_absent(CLAIM, ())
    assert not RULE.certainly_absent(CLAIM, (FROM_MS + 10**9,))


def test_a_scan_before_the_claim_and_its_call_have_run_out_does_not_count() -> None:
    assert not RULE.certainly_absent(CLAIM, (FROM_MS - 1, FROM_MS + 180_000))


def test_scans_too_close_together_do_not_count_as_two() -> None:
    assert not RULE.certainly_absent(CLAIM, tuple(FROM_MS + wait_ms for wait_ms in range(0, 180_000, 10_000)))


@given(SCANS, SCANS)
def test_absence_once_certain_stays_so(scans: list[int], more: list[int]) -> None:
    if RULE.certainly_absent(CLAIM, tuple(scans)):
        assert RULE.certainly_absent(CLAIM, tuple(scans + more))
        assert len([at for at in scans if at >= FROM_MS]) >= 2
