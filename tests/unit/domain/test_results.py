"""When the rows that a provider counts and does not give are given up."""

import pytest
from msgspec.structs import replace

from domain.job import Policy
from domain.results import AfterRead, after_read, give_up_at_ms, lost_part
from tests.model.values import HOUR_MS, members, plan

MINUTE_MS = 60_000
DEADLINE_MS = 4 * HOUR_MS
PLAN = plan(members(2), policy=Policy(escalate_before_s=1_800.0))


def test_they_are_read_again_until_the_moment_of_escalation() -> None:
    moment_ms = DEADLINE_MS - 30 * MINUTE_MS
    assert after_read(PLAN, since_ms=0, now_ms=0) is AfterRead.AGAIN
    assert after_read(PLAN, since_ms=0, now_ms=moment_ms - 1) is AfterRead.AGAIN
    assert after_read(PLAN, since_ms=0, now_ms=moment_ms) is AfterRead.LOST


@pytest.mark.parametrize("left_min", [60, 40, 30, 20, 2])
def test_half_of_the_time_that_was_left_is_always_used(left_min: int) -> None:
    """A batch that is cancelled at that moment ends after it: one bad read must not be believed."""
    since_ms = DEADLINE_MS - left_min * MINUTE_MS
    given_up_ms = give_up_at_ms(PLAN, since_ms)
    assert given_up_ms == DEADLINE_MS - min(left_min // 2, 30) * MINUTE_MS
    assert after_read(PLAN, since_ms=since_ms, now_ms=since_ms) is AfterRead.AGAIN


def test_where_nothing_is_escalated_near_the_deadline() -> None:
    never = replace(PLAN, policy=Policy(escalate_before_s=0.0, near_deadline_s=600.0))
    assert give_up_at_ms(never, 0) == DEADLINE_MS - 10 * MINUTE_MS


def test_the_youngest_members_deadline_counts_when_the_oldest_have_passed_theirs() -> None:
    mixed = replace(PLAN, last_deadline_ms=DEADLINE_MS + 4 * HOUR_MS)
    assert give_up_at_ms(mixed, DEADLINE_MS - 1) < DEADLINE_MS
    assert give_up_at_ms(mixed, DEADLINE_MS) == DEADLINE_MS + 4 * HOUR_MS - 30 * MINUTE_MS
    assert after_read(PLAN, since_ms=DEADLINE_MS, now_ms=DEADLINE_MS) is AfterRead.LOST  # nothing is left


@pytest.mark.parametrize(("paid", "missing", "part"), [(None, 4, 1.0), (4, 4, 1.0), (1, 4, 0.25), (0, 4, 0.0), (9, 4, 1.0)])
def test_what_part_of_them_was_paid_for(paid: int | None, missing: int, part: float) -> None:
    assert lost_part(paid, missing) == part
