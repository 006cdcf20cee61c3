"""When a job is certainly absent."""

from hypothesis import given
from hypothesis import strategies as st

from domain.absence import UNPROVEN_FACTOR, AbsenceRule
from domain.job import Claim

RULE = AbsenceRule(create_timeout_s=120, clock_skew_s=60, settle_s=180)
CLAIM = Claim(7, "run", append_ms=1_000_000, start_within_s=30, key_hash="k")
FROM_MS = 1_000_000 + 210_000  # start_within + create timeout + skew
SCANS = st.lists(st.integers(0, 3_000_000), max_size=6)


def test_two_late_scans_apart_say_absent() -> None:
    assert RULE.certainly_absent(CLAIM, (FROM_MS, FROM_MS + 180_000))


def test_no_scan_and_one_scan_say_nothing() -> None:
    assert not RULE.certainly_absent(CLAIM, ())
    assert not RULE.certainly_absent(CLAIM, (FROM_MS + 10**9,))


def test_a_scan_before_the_claim_and_its_call_have_run_out_does_not_count() -> None:
    assert not RULE.certainly_absent(CLAIM, (FROM_MS - 1, FROM_MS + 180_000))


def test_scans_too_close_together_do_not_count_as_two() -> None:
    assert not RULE.certainly_absent(CLAIM, tuple(FROM_MS + wait_ms for wait_ms in range(0, 180_000, 10_000)))


def test_a_list_that_may_be_wrong_must_say_so_for_longer() -> None:
    apart_ms = 180_000 * UNPROVEN_FACTOR
    assert not RULE.certainly_absent(CLAIM, (FROM_MS, FROM_MS + apart_ms - 1), proven=False)
    assert RULE.certainly_absent(CLAIM, (FROM_MS, FROM_MS + apart_ms), proven=False)


@given(SCANS, SCANS)
def test_absence_once_certain_stays_so(scans: list[int], more: list[int]) -> None:
    if RULE.certainly_absent(CLAIM, tuple(scans)):
        assert RULE.certainly_absent(CLAIM, tuple(scans + more))
        assert len([at for at in scans if at >= FROM_MS]) >= 2
