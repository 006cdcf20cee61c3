"""Replanning of what was refused: halved until the culprit stands alone, asked once more, and then an error."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.comparison import Member
from domain.job import ClosedBy, Policy, Transport
from domain.replanning import MOST_PARAMETERS, replan
from domain.reply import Cause, ErrorCode, Retry
from tests.model.values import members, plan
from tests.unit.domain.replanned import NOW_MS, after, in_bundles, retry


def test_what_a_budget_refuses_ends_at_once_with_its_own_error() -> None:
    of = plan(members(2))
    for now_ms in (NOW_MS, of.deadline_ms):
        next_ = after(Cause.OVER_BUDGET, of, now_ms)
        assert next_.plans == ()
        assert [(fault.code, fault.message) for _, fault in next_.faults] == [
            (ErrorCode.RATE_LIMIT, "over_budget was said")
        ] * 2


def test_what_is_more_than_a_whole_budget_is_halved_without_an_attempt_used() -> None:
    a = members(3)
    first, second = after(Cause.SPLIT, plan(a, attempt=3)).plans
    assert (first.members, second.members, first.attempt) == (a[:1], a[1:], 3)


def test_refused_content_goes_in_halves_without_an_attempt_used() -> None:
    a = members(5)
    first, second = after(Cause.REFUSED_CONTENT, plan(a, attempt=3, not_before_ms=7)).plans
    assert (first.members, second.members) == (a[:2], a[2:])
    assert {(one.attempt, one.not_before_ms, one.closed_by) for one in (first, second)} == {(3, 0, ClosedBy.REPLANNED)}


def test_a_refused_bundle_is_halved_inside_its_line() -> None:
    a = members(5)
    first, second = after(Cause.REFUSED_CONTENT, plan(a, lines=(a,))).plans
    assert (first.lines, second.lines) == ((a[:2],), (a[2:],))


@pytest.mark.parametrize("cause", [Cause.REFUSED_CONTENT, Cause.REFUSED_ALONE])
@pytest.mark.parametrize("transport", Transport)
def test_one_refused_alone_is_asked_once_more_after_a_wait_and_then_it_is_an_invalid_request(
    cause: Cause, transport: Transport
) -> None:
    of = plan(members(1), transport=transport)
    (again,) = after(cause, of).plans
    assert (again.lines, again.attempt, again.refused, again.transport) == (of.lines, 2, True, Transport.CALL)
    assert again.not_before_ms > NOW_MS
    next_ = after(cause, again)
    assert next_.plans == ()
    ((member, fault),) = next_.faults
    assert (member, fault.code, fault.message) == (Member(0, 0), ErrorCode.INVALID_REQUEST, f"{cause} was said")


def test_only_the_rows_that_were_refused_are_asked_once_more_and_what_was_said_stays_in_the_error() -> None:
    a = members(10)
    said = Retry(Cause.REFUSED_ALONE, ErrorCode.INVALID_REQUEST, "refused", {"provider_error_message": "no JSON"})
    of = plan(a, attempt=2)
    (again, others) = replan(of, dict.fromkeys(a[:5], said) | dict.fromkeys(a[5:], retry(Cause.EXPIRED)), NOW_MS).plans
    assert (again.members, again.transport, again.attempt, again.refused) == (a[:5], Transport.BATCH, 3, True)
    assert (others.members, others.attempt, others.refused) == (a[5:], 3, False)
    faults = replan(again, dict.fromkeys(a[:5], said), NOW_MS).faults
    assert {fault.details["provider_error_message"] for _, fault in faults} == {"no JSON"}


def test_a_second_refusal_counts_whatever_came_between_and_another_failure_before_does_not() -> None:
    of = plan(members(1), policy=Policy(attempts=5))
    (late,) = after(Cause.EXPIRED, of).plans
    (refused,) = after(Cause.REFUSED_ALONE, late).plans
    (between,) = after(Cause.OVERLOADED, refused).plans
    assert (between.attempt, between.refused) == (4, True)
    assert [fault.code for _, fault in after(Cause.REFUSED_ALONE, between).faults] == [ErrorCode.INVALID_REQUEST]


def test_a_refusal_with_the_last_attempt_ends() -> None:
    of = plan(members(1), policy=Policy(attempts=1))
    said = Retry(Cause.REFUSED_ALONE, ErrorCode.INVALID_REQUEST, "refused")
    assert [fault.code for _, fault in replan(of, {Member(0, 0): said}, NOW_MS).faults] == [ErrorCode.INVALID_REQUEST]


def test_the_last_one_open_of_several_is_not_the_culprit_before_it_stood_alone() -> None:
    of = plan(members(3))
    (again,) = replan(of, {Member(0, 1): retry(Cause.REFUSED_CONTENT)}, NOW_MS).plans
    assert (again.lines, again.attempt, again.refused) == (((Member(0, 1),),), 1, False)


def test_what_a_model_takes_no_parameter_of_is_asked_again_as_it_was_without_an_attempt_used() -> None:
    a = members(6)
    of = plan(a, lines=(a[:2], a[2:4], a[4:]), attempt=3)
    (again,) = after(Cause.PARAMETER, of).plans
    assert again == replace(of, without=1, closed_by=ClosedBy.REPLANNED, not_before_ms=NOW_MS)


def test_whatever_goes_on_naming_a_parameter_is_refused_as_anything_else() -> None:
    of = plan(members(6), lines=(members(6)[:5], members(6)[5:]))
    for _ in range(MOST_PARAMETERS):
        (of,) = after(Cause.PARAMETER, of).plans
    bundled, alone = of.lines[0], of.lines[1][0]
    halves = replan(of, dict.fromkeys(bundled, retry(Cause.PARAMETER)), NOW_MS).plans
    assert [one.lines for one in halves] == [(bundled[:2],), (bundled[2:],)]
    (again,) = replan(of, {alone: retry(Cause.PARAMETER)}, NOW_MS).plans
    assert (again.refused, again.attempt) == (True, 2)
    assert after(Cause.PARAMETER, again).plans == ()


@given(st.integers(1, 300), st.data())
def test_halving_finds_the_culprit_in_log2_steps_and_blames_nobody_else(count: int, data: st.DataObject) -> None:
    culprit = Member(0, data.draw(st.integers(0, count - 1)))
    sizes = data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    open_plans, accepted, steps = [replace(in_bundles(count, sizes), refused=True)], [], 0
    blamed: list[Member] = []
    while open_plans:
        refused = [one for one in open_plans if culprit in one.members]
        accepted += [member for one in open_plans if culprit not in one.members for member in one.members]
        following = [after(Cause.REFUSED_CONTENT, one) for one in refused]
        blamed += [member for next_ in following for member, _ in next_.faults]
        open_plans = [one for next_ in following for one in next_.plans]
        steps += bool(open_plans)
    assert blamed == [culprit]
    assert len(accepted) == count - 1
    # A job's lines are halved first, then the members of the line that is left.
    lines = len(in_bundles(count, sizes).lines)
    assert steps <= math.ceil(math.log2(lines)) + math.ceil(math.log2(max(sizes)))
