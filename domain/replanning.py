"""What is tried next with the members that a job leaves open: the replanning table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec import UNSET
from msgspec.structs import replace

from domain.back_off import BackOff
from domain.comparison import Member
from domain.job import ClosedBy, Plan, Transport
from domain.providers import by_schema
from domain.reply import Cause, ErrorCode, Fault, Retry


class Shape(StrEnum):
    """How the open members are cut."""

    SAME = "same"  # the same lines, by the same transport
    SAME_OR_CALLS = "same_or_calls"  # the same lines; single calls instead where few are left or the deadline is near
    HALVES = "halves"  # two jobs of half the size, and so on until the culprit is alone
    CALLS = "calls"  # the same lines, as calls
    # Each line in halves, down to one member; of a batch single calls where few are left or the deadline is near.
    SMALLER = "smaller"
    NONE = "none"  # not tried again: an error


@dataclass(frozen=True, slots=True)
class Row:
    """One row: how many attempts the cause uses, the shape of the next try, and whether that waits for a back-off.

    refusal, parameter: whether the next plan remembers this cause, in `refused` and in `without`.
    """

    attempts_used: int
    shape: Shape
    back_off: bool
    refusal: bool = False
    parameter: bool = False


TABLE: Mapping[Cause, Row] = {
    Cause.EXPIRED: Row(1, Shape.SAME_OR_CALLS, back_off=False),
    Cause.OVERLOADED: Row(1, Shape.SAME_OR_CALLS, back_off=False),
    Cause.MISSING: Row(1, Shape.SAME_OR_CALLS, back_off=False),
    Cause.UNUSABLE: Row(1, Shape.SMALLER, back_off=False),
    Cause.CUT: Row(0, Shape.SMALLER, back_off=False),
    Cause.BUNDLE_REFUSED: Row(0, Shape.SMALLER, back_off=False),
    Cause.CANCELED: Row(1, Shape.SAME_OR_CALLS, back_off=False),
    Cause.REFUSED_CONTENT: Row(0, Shape.HALVES, back_off=False),
    Cause.REFUSED_ALONE: Row(1, Shape.SAME_OR_CALLS, back_off=True, refusal=True),
    Cause.PARAMETER: Row(0, Shape.SAME, back_off=False, parameter=True),
    Cause.REFUSED_ACCOUNT: Row(0, Shape.SAME, back_off=True),
    Cause.ACCOUNT_PAUSED: Row(0, Shape.SAME, back_off=False),  # the account's pause is the wait
    Cause.OVER_BUDGET: Row(0, Shape.NONE, back_off=False),
    Cause.SPLIT: Row(0, Shape.HALVES, back_off=False),
    Cause.NOT_STARTED: Row(0, Shape.SAME, back_off=False),
    Cause.STARTED_LATE: Row(0, Shape.SAME, back_off=True),
    Cause.ABSENT: Row(0, Shape.SAME, back_off=False),
    Cause.LOST_CALL: Row(0, Shape.SAME, back_off=True),
    Cause.ESCALATED: Row(0, Shape.CALLS, back_off=False),
}

# Causes that only a bundle should have. They use no attempt, for there is a smaller bundle to try. Where a member that was
# alone has one, it uses an attempt, or the member would be asked for ever.
OF_A_BUNDLE = frozenset({Cause.CUT, Cause.BUNDLE_REFUSED})

# Each of the three optional parameters that are sent (temperature, effort, verbosity) may be refused once without using an
# attempt. More refusals that name a parameter cannot come from what was sent, so they count as any other refusal.
MOST_PARAMETERS = 3

# Comparisons whose deadline passes while they wait for an account or a budget end in that error: TIMEOUT would send the reader
# looking in the wrong place.
SAID_AT_THE_DEADLINE = frozenset({Cause.REFUSED_ACCOUNT, Cause.ACCOUNT_PAUSED, Cause.SPLIT})

# How often a call that the provider failed to answer is repeated without using an attempt: half an hour by the default
# back-off. After that each failure uses one, for the content may be what the provider fails on, and its round would wait until
# the deadline.
FAILURES_WAITED_OUT = 6

MISSING = Retry(Cause.MISSING, ErrorCode.EXTERNAL_SERVICE_ERROR, "the provider returned no row for this comparison")


@dataclass(frozen=True, slots=True)
class Next:
    """What follows: new plans, and members that end with an error."""

    plans: tuple[Plan, ...]
    faults: tuple[tuple[Member, Fault], ...]


def replan(plan: Plan, retries: Mapping[Member, Retry], now_ms: int) -> Next:
    """Decide what becomes of every open member of a job that has ended. Its shadows are not asked again.

    `retries`: exactly the open members that the job still owns, each with the reason why it is open. `now_ms`: the append time
    of the record that ended the job.
    """
    if plan.deadline_ms <= now_ms < plan.last_deadline_ms:
        plan = replace(plan, deadline_ms=plan.last_deadline_ms)  # the oldest members' deadline must not end the younger ones
    if plan.shadows:
        plan = replace(plan, shadow_lines=UNSET)
    plans: list[Plan] = []
    faults: list[tuple[Member, Fault]] = []
    by_row: dict[Row, set[Member]] = {}
    alone = {line[0] for line in plan.lines if len(line) == 1}
    for member, retry in retries.items():
        row = TABLE[_cause(plan, retry.cause, alone=member in alone)]
        fault = _exhausted(plan, retry, row, now_ms)
        if fault is None:
            by_row.setdefault(row, set()).add(member)
        else:
            faults.append((member, fault))
    for row, members in by_row.items():
        if row.shape is Shape.HALVES:
            plans.extend(_halves(plan, members))
        else:
            plans.append(_again(plan.only(members), row, now_ms))
    return Next(tuple(part for one in plans for part in _by_schema(one)), tuple(sorted(faults, key=lambda item: item[0])))


def _by_schema(plan: Plan) -> tuple[Plan, ...]:
    """The plan, in parts where its provider takes lines of one size a batch: members that ended have left gaps in the lines."""
    if plan.transport is not Transport.BATCH:
        return (plan,)
    groups = by_schema(plan.provider, plan.lines)
    return (plan,) if len(groups) == 1 else tuple(replace(plan, lines=lines) for lines in groups)


def failed_call(plan: Plan, message: str) -> Retry:
    """The retry of a call that the provider failed to answer (5xx, unreachable)."""
    cause = Cause.REFUSED_ACCOUNT if plan.deferrals < FAILURES_WAITED_OUT else Cause.OVERLOADED
    return Retry(cause, ErrorCode.EXTERNAL_SERVICE_ERROR, message)


def _cause(plan: Plan, cause: Cause, *, alone: bool) -> Cause:
    """The cause as the table counts it: one that was given for several members may be about a member that is alone."""
    if alone and cause in OF_A_BUNDLE:
        return Cause.UNUSABLE
    if cause is Cause.PARAMETER and plan.without >= MOST_PARAMETERS:
        cause = Cause.REFUSED_ALONE if alone else Cause.REFUSED_CONTENT
    if cause is Cause.REFUSED_CONTENT and plan.size == 1:
        return Cause.REFUSED_ALONE
    return cause


def _exhausted(plan: Plan, retry: Retry, row: Row, now_ms: int) -> Fault | None:
    if row.refusal and plan.refused:
        return Fault(ErrorCode.INVALID_REQUEST, retry.message, {**retry.details, "cause": retry.cause.value})
    if row.shape is Shape.NONE:
        return Fault(retry.code, retry.message, {"cause": retry.cause.value})
    if now_ms >= plan.deadline_ms:
        code = retry.code if retry.cause in SAID_AT_THE_DEADLINE else ErrorCode.TIMEOUT
        return Fault(code, f"the deadline passed; last: {retry.message}", {"last_cause": retry.cause.value})
    attempts = plan.attempt + row.attempts_used
    if attempts > plan.policy.attempts:
        details = {**retry.details, "attempts": plan.attempt, "cause": retry.cause.value}
        return Fault(retry.code, f"{retry.message} (attempt {plan.attempt} of {plan.policy.attempts})", details)
    return None


def _again(plan: Plan, row: Row, now_ms: int) -> Plan:
    policy = plan.policy
    wait_s = BackOff(policy.backoff_first_s, policy.backoff_max_s).wait_s(plan.deferrals) if row.back_off else 0.0
    again = replace(
        plan,
        attempt=plan.attempt + row.attempts_used,
        deferrals=plan.deferrals + 1 if row.back_off else plan.deferrals,
        refused=plan.refused or row.refusal,
        without=plan.without + 1 if row.parameter else plan.without,
        not_before_ms=now_ms + int(wait_s * 1000),
        closed_by=ClosedBy.REPLANNED,
    )
    if row.shape is Shape.CALLS:
        bundled = any(len(line) > 1 for line in plan.lines)
        return replace(again, transport=Transport.CALL, mode="serial_bundle" if bundled else "per_request")
    few = plan.size < policy.retry_batch_min
    near = plan.deadline_ms - now_ms < policy.near_deadline_s * 1000
    if row.shape is not Shape.SAME and plan.transport is Transport.BATCH and (few or near):
        return replace(
            again,
            transport=Transport.CALL,
            mode="per_request",
            lines=tuple((member,) for member in plan.members),
        )
    if row.shape is Shape.SMALLER:
        return replace(again, lines=tuple(half for line in plan.lines for half in _halved(line)))
    return again


def _halved(line: tuple[Member, ...]) -> tuple[tuple[Member, ...], ...]:
    middle = (len(line) + 1) // 2
    return tuple(half for half in (line[:middle], line[middle:]) if half)


def _halves(sent: Plan, refused: set[Member]) -> list[Plan]:
    plan = sent.only(refused)
    members = plan.members
    parts: list[tuple[tuple[Member, ...], ...]]
    if len(members) == 1:  # others refused with it have ended since, and one of those may be at fault
        parts = [plan.lines]
    elif len(plan.lines) == 1:
        middle = len(members) // 2
        parts = [(members[:middle],), (members[middle:],)]
    else:
        middle = len(plan.lines) // 2
        parts = [plan.lines[:middle], plan.lines[middle:]]
    return [replace(plan, lines=tuple(lines), closed_by=ClosedBy.REPLANNED, not_before_ms=0) for lines in parts]
