"""Cutting a window into plans: one provider and model each, within the provider's limits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.comparison import Member
from domain.job import ClosedBy, Plan, Policy
from domain.strategies import STRATEGIES


@dataclass(frozen=True, slots=True)
class Pending:
    """An accepted comparison that has no outcome yet, with what collect resolved for it."""

    member: Member
    round_key: str
    strategy: str
    provider: str
    model: str
    profile: str
    prompt_bytes: int
    deadline_ms: int
    arrived_ms: int


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The most that one job of a provider may hold."""

    max_items: int
    max_bytes: int


# What the parameters, schema and JSON quoting of one line add to its prompt, at most (measured: 900 B to 1.4 KB a line),
# and how much JSON escapes may lengthen a text that is mostly ASCII.
LINE_OVERHEAD_BYTES = 2_048
ESCAPE_FACTOR = 1.2


def encoded_bytes(pending: Pending) -> int:
    """An upper estimate of one line's size in a job."""
    return int(pending.prompt_bytes * ESCAPE_FACTOR) + LINE_OVERHEAD_BYTES


def cut(window: Iterable[Pending], *, closed_by: ClosedBy, limits: Mapping[str, JobLimits], policy: Policy) -> tuple[Plan, ...]:
    """Cut the members of one window into plans, each comparison in exactly one place.

    Grouped by provider and model, in member order, so that the same members give the same plans on every evaluation; a
    plan ends where the next member would exceed its provider's limits. One member a line.
    """
    groups: dict[tuple[str, str, str], list[Pending]] = {}
    for pending in sorted(window, key=lambda item: item.member):
        groups.setdefault((pending.strategy, pending.provider, pending.model), []).append(pending)
    plans = []
    for (strategy, provider, _), members in groups.items():
        for chunk in _chunks(members, limits[provider]):
            plans.append(_plan(chunk, strategy, closed_by, policy))
    return tuple(plans)


def _chunks(members: list[Pending], limits: JobLimits) -> Iterable[list[Pending]]:
    chunk: list[Pending] = []
    size = 0
    for pending in members:
        more = encoded_bytes(pending)
        if chunk and (len(chunk) >= limits.max_items or size + more > limits.max_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(pending)
        size += more
    if chunk:
        yield chunk


def _plan(chunk: list[Pending], strategy: str, closed_by: ClosedBy, policy: Policy) -> Plan:
    row = STRATEGIES[strategy]
    return Plan(
        provider=chunk[0].provider,
        model=chunk[0].model,
        transport=row.transport,
        mode=row.mode,
        lines=tuple((pending.member,) for pending in chunk),
        deadline_ms=min(pending.deadline_ms for pending in chunk),
        closed_by=closed_by,
        round_key=chunk[0].round_key,
        policy=policy,
    )
