"""Values of the domain with everything filled in that a test does not care about."""

from typing import Any

from msgspec.structs import replace

from agents.jobs.attempt import Attempt
from domain.answer import Answer
from domain.comparison import Member
from domain.cutting import Pending
from domain.job import ClosedBy, Plan, Policy, Transport
from domain.outcome import Outcome
from domain.reply import Cause, ErrorCode, Fault, Retry
from domain.resolved import Resolved

HOUR_MS = 3_600_000
ANSWER = Answer("Essay A", "clearer", 4.0)
EXPIRED = Retry(Cause.EXPIRED, ErrorCode.TIMEOUT, "expired")
FAULT = Fault(ErrorCode.VALIDATION_ERROR, "the prompt is empty")


def members(count: int, offset: int = 0) -> tuple[Member, ...]:
    """The first `count` positions of one inbound record."""
    return tuple(Member(offset, position) for position in range(count))


def pending(member: Member, **fields: Any) -> Pending:
    """A comparison of round "r" for OpenAI, 1,000 bytes of prompt, deadline at 4 h."""
    plain = Resolved("openai", "model", "per_round", "profile", 4 * HOUR_MS)
    made = Pending(member, "r", 0, plain, 1_000)
    own = {name: fields.pop(name) for name in made.__struct_fields__ if name in fields}
    return replace(made, resolved=replace(plain, **fields), **own)


def plan(of: tuple[Member, ...], **fields: Any) -> Plan:
    """A batch plan with one member a line, deadline at 4 h, first attempt."""
    plain = Plan(
        provider="openai",
        model="model",
        transport=Transport.BATCH,
        mode="batch_api",
        lines=tuple((member,) for member in of),
        deadline_ms=4 * HOUR_MS,
        closed_by=ClosedBy.COMPLETE,
        round_key="r",
        policy=Policy(),
    )
    return replace(plain, **fields)


def answered(member: Member) -> Outcome:
    """The member's answer."""
    return Outcome(member, "openai", "model", 1_000, "batch_api", answer=ANSWER)


def open_again(member: Member, retry: Retry = EXPIRED) -> Outcome:
    """An outcome that leaves the member open."""
    return Outcome(member, "openai", "model", 1_000, "batch_api", retry=retry)


def attempt(partition: int, job_id: str, **known: Any) -> Attempt:
    """What a process knows of a job, these fields as its steps have left them."""
    made = Attempt(partition, job_id)
    for name, value in known.items():
        setattr(made, name, value)
    return made
