"""Replanning: every row of the table; each open member ends up in exactly one plan or one fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.comparison import Member
from domain.job import ClosedBy, Plan, Policy, Transport
from domain.replanning import OF_A_BUNDLE, SAID_AT_THE_DEADLINE, TABLE, Row, Shape, replan
from domain.reply import Cause, ErrorCode, Fault
from tests.model.values import HOUR_MS, members, plan
from tests.unit.domain.replanned import NOW_MS, after, in_bundles, retry

USES_AN_ATTEMPT = [Cause.EXPIRED, Cause.OVERLOADED, Cause.MISSING, Cause.UNUSABLE, Cause.CANCELED]
SAME_LINES = [cause for cause in USES_AN_ATTEMPT if cause is not Cause.UNUSABLE]
SMALLER = [Cause.UNUSABLE, *sorted(OF_A_BUNDLE)]
USES_NONE = [Cause.REFUSED_ACCOUNT, Cause.ACCOUNT_PAUSED, Cause.NOT_STARTED, Cause.STARTED_LATE, Cause.ABSENT, Cause.LOST_CALL]


def test_every_cause_has_a_row() -> None:
    assert set(TABLE) == set(Cause)
    others = {
        Cause.REFUSED_CONTENT,
        Cause.REFUSED_ALONE,
        Cause.PARAMETER,
        Cause.SPLIT,
        Cause.OVER_BUDGET,
        Cause.ESCALATED,
    }
    assert set(USES_AN_ATTEMPT) | set(USES_NONE) | others | OF_A_BUNDLE == set(Cause)


@pytest.mark.parametrize("cause", SAME_LINES)
def test_same_lines_with_an_attempt_used(cause: Cause) -> None:
    a = members(6)
    of = plan(a, lines=(a[0:2], a[2:4], a[4:6]))
    (again,) = after(cause, of).plans
    assert again == replace(of, attempt=2, closed_by=ClosedBy.REPLANNED, not_before_ms=NOW_MS)


@pytest.mark.parametrize("cause", USES_AN_ATTEMPT)
def test_few_of_a_batch_go_as_single_calls(cause: Cause) -> None:
    a = members(6)
    of = plan(a, lines=(a[0:3], a[3:6]))
    few = replan(of, dict.fromkeys(a[2:4], retry(cause)), NOW_MS).plans
    assert [(one.transport, one.mode, one.lines, one.attempt) for one in few] == [
        (Transport.CALL, "per_request", ((a[2],), (a[3],)), 2)
    ]


@pytest.mark.parametrize("cause", USES_AN_ATTEMPT)
@pytest.mark.parametrize(("left_s", "transport"), [(1_800, Transport.BATCH), (1_799, Transport.CALL)])
def test_near_the_deadline_they_go_as_single_calls(cause: Cause, left_s: int, transport: Transport) -> None:
    of = plan(members(12))
    (again,) = after(cause, of, of.deadline_ms - left_s * 1_000).plans
    assert again.transport is transport


@pytest.mark.parametrize("cause", SAME_LINES)
def test_calls_stay_the_calls_they_were(cause: Cause) -> None:
    of = plan(members(2), transport=Transport.CALL, mode="serial_bundle", lines=(members(2),))
    (again,) = after(cause, of).plans
    assert (again.transport, again.mode, again.lines) == (of.transport, of.mode, of.lines)


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("cause", SMALLER)
def test_a_line_of_one_member_is_asked_again_as_it_was_with_an_attempt_used(cause: Cause, transport: Transport) -> None:
    of = plan(members(6), transport=transport)
    (again,) = after(cause, of).plans
    assert again == replace(of, attempt=2, closed_by=ClosedBy.REPLANNED, not_before_ms=NOW_MS)


@pytest.mark.parametrize("cause", SMALLER)
def test_the_open_members_of_a_bundle_go_in_halves(cause: Cause) -> None:
    a = members(14)
    of = plan(a, lines=(a[:8], a[8:13], a[13:]), transport=Transport.CALL, mode="serial_bundle", attempt=2)
    (again,) = replan(of, dict.fromkeys((*a[:5], a[9], a[12]), retry(cause)), NOW_MS).plans
    assert again.lines == (a[:3], a[3:5], (a[9],), (a[12],))
    assert (again.transport, again.mode, again.not_before_ms) == (Transport.CALL, "serial_bundle", NOW_MS)
    assert again.attempt == (3 if cause is Cause.UNUSABLE else 2)


@pytest.mark.parametrize("cause", sorted(OF_A_BUNDLE))
def test_what_only_a_bundle_can_meet_uses_no_attempt_until_it_stands_alone(cause: Cause) -> None:
    a = members(8)
    of, sizes = plan(a, lines=(a,), transport=Transport.CALL, attempt=3), []
    while of.lines:
        sizes.append(len(of.lines[0]))
        next_ = after(cause, of)
        if not next_.plans:
            break
        (of,) = next_.plans
        assert of.attempt == 3
    assert sizes == [8, 4, 2, 1]
    assert [member for member, _ in next_.faults] == list(a)


def test_bundles_of_a_batch_go_on_as_a_batch_unless_few_are_left() -> None:
    a = members(8)
    of = plan(a, lines=(a[:4], a[4:]))
    (again,) = after(Cause.CUT, of).plans
    assert (again.transport, again.lines) == (Transport.BATCH, (a[:2], a[2:4], a[4:6], a[6:]))
    (few,) = replan(of, dict.fromkeys(a[:3], retry(Cause.CUT)), NOW_MS).plans
    assert (few.transport, few.lines) == (Transport.CALL, ((a[0],), (a[1],), (a[2],)))


@pytest.mark.parametrize("cause", USES_AN_ATTEMPT)
def test_attempts_used_up(cause: Cause) -> None:
    of = plan(members(2), attempt=3)
    next_ = after(cause, of)
    assert next_.plans == ()
    assert [member for member, _ in next_.faults] == list(of.members)
    assert {fault.code for _, fault in next_.faults} == {ErrorCode.RATE_LIMIT}
    assert "attempt 3 of 3" in next_.faults[0][1].message


@pytest.mark.parametrize("cause", USES_NONE)
def test_the_same_with_no_attempt_used(cause: Cause) -> None:
    of = plan(members(2), attempt=3)
    (again,) = after(cause, of).plans
    assert (again.lines, again.transport, again.attempt) == (of.lines, of.transport, 3)


@pytest.mark.parametrize("cause", [Cause.ACCOUNT_PAUSED, Cause.NOT_STARTED, Cause.ABSENT])
def test_without_back_off(cause: Cause) -> None:
    (again,) = after(cause, plan(members(2), deferrals=4)).plans
    assert (again.not_before_ms, again.deferrals) == (NOW_MS, 4)


@pytest.mark.parametrize("cause", [Cause.REFUSED_ACCOUNT, Cause.STARTED_LATE, Cause.LOST_CALL])
def test_back_off_doubles_up_to_its_longest(cause: Cause) -> None:
    of, waits = plan(members(2)), []
    for _ in range(8):
        (of,) = after(cause, of).plans
        waits.append((of.not_before_ms - NOW_MS) / 1_000)
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    (far,) = after(cause, replace(of, deferrals=10**6)).plans
    assert far.not_before_ms == NOW_MS + 900_000


@pytest.mark.parametrize("cause", sorted(set(Cause) - {Cause.OVER_BUDGET}))
def test_after_the_deadline_it_is_a_timeout(cause: Cause) -> None:
    of = plan(members(3))
    next_ = after(cause, of, of.deadline_ms)
    assert next_.plans == ()
    code = ErrorCode.RATE_LIMIT if cause in SAID_AT_THE_DEADLINE else ErrorCode.TIMEOUT
    assert {(fault.code, fault.details["last_cause"]) for _, fault in next_.faults} == {(code, cause.value)}


PLANS = st.builds(
    lambda count, sizes, attempt, deferrals, transport, policy: replace(
        in_bundles(count, sizes), attempt=attempt, deferrals=deferrals, transport=transport, policy=policy
    ),
    st.integers(1, 12),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(0, 40),
    st.sampled_from(Transport),
    st.builds(Policy, attempts=st.integers(1, 5), retry_batch_min=st.integers(1, 6)),
)


def row_of(of: Plan, member: Member, cause: Cause) -> Row:
    if cause is Cause.REFUSED_CONTENT and len(of.members) == 1:
        return TABLE[Cause.REFUSED_ALONE]
    return TABLE[Cause.UNUSABLE if cause in OF_A_BUNDLE and (member,) in of.lines else cause]


@given(PLANS, st.integers(0, 5 * HOUR_MS), st.data())
def test_each_open_member_ends_up_in_exactly_one_plan_or_fault(of: Plan, now_ms: int, data: st.DataObject) -> None:
    open_ones = data.draw(st.dictionaries(st.sampled_from(of.members), st.sampled_from(Cause).map(retry), min_size=1))
    next_ = replan(of, open_ones, now_ms)
    placed = [member for one in next_.plans for member in one.members] + [member for member, _ in next_.faults]
    assert sorted(placed) == sorted(open_ones)
    assert replan(of, open_ones, now_ms) == next_
    for one in next_.plans:
        assert one.lines
        assert all(one.lines)
        assert one.attempt <= max(of.attempt, of.policy.attempts)
        rows = {row_of(of, member, open_ones[member].cause) for member in one.members}
        assert {row.attempts_used for row in rows} == {one.attempt - of.attempt}
        assert (one.policy, one.deadline_ms, one.provider, one.model) == (of.policy, of.deadline_ms, of.provider, of.model)
        assert one.not_before_ms in (0, now_ms) or {row.back_off for row in rows} == {True}
        if {row.shape for row in rows} == {Shape.SAME}:
            assert set(one.lines) <= set(of.only(set(open_ones)).only(set(one.members)).lines)


@given(PLANS, st.lists(st.sampled_from(Cause), min_size=60, max_size=60))
def test_attempts_come_to_an_end(of: Plan, causes: list[Cause]) -> None:
    """However it fails, a comparison is asked for at most as often as the policy says, not counting what used no attempt."""
    of, asked = replace(of, attempt=1), 0
    for cause in causes:
        asked += min(row_of(of, member, cause).attempts_used for member in of.members)
        next_ = replan(of, dict.fromkeys(of.members, retry(cause)), NOW_MS)
        if not next_.plans:
            assert all(isinstance(fault, Fault) for _, fault in next_.faults)
            break
        of = next_.plans[0]
    assert asked <= of.policy.attempts


def test_an_escalated_batch_goes_as_calls_with_its_lines_and_attempts() -> None:
    a = members(5)
    (singles,) = after(Cause.ESCALATED, plan(a, attempt=3)).plans
    assert (singles.transport, singles.mode, singles.attempt) == (Transport.CALL, "per_request", 3)
    assert singles.escalate_at_ms is None
    (bundles,) = after(Cause.ESCALATED, plan(a, lines=(a[:3], a[3:]))).plans
    assert (bundles.transport, bundles.mode, bundles.lines) == (Transport.CALL, "serial_bundle", (a[:3], a[3:]))


def test_the_deadline_of_the_oldest_member_does_not_end_the_younger_ones() -> None:
    of = plan(members(5), deadline_ms=NOW_MS - 1, last_deadline_ms=NOW_MS + HOUR_MS)
    (again,) = after(Cause.EXPIRED, of).plans
    assert again.deadline_ms == NOW_MS + HOUR_MS
    passed = after(Cause.EXPIRED, replace(of, last_deadline_ms=NOW_MS))
    assert {fault.code for _, fault in passed.faults} == {ErrorCode.TIMEOUT}
