"""Cutting a window into plans: one provider and model each, within the provider's limits, in lines of one or more."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from msgspec import UNSET, Struct

from domain.comparison import Member
from domain.essay_order import by_essays
from domain.job import ClosedBy, Layout, Plan, Policy, Shadow, Transport
from domain.partition.corrections import Corrections
from domain.providers import PROVIDERS, by_schema
from domain.resolved import Resolved
from domain.rounds import ALONE
from domain.shadows import AuditRule
from domain.strategies import STRATEGIES, Closes, Strategy

ALL_ROUNDS = "all:"  # begins the key of a window over all rounds of a provider


class Pending(Struct, frozen=True, gc=False):
    """An accepted comparison that has no outcome yet."""

    member: Member
    round_key: str
    arrived_ms: int
    resolved: Resolved
    prompt_bytes: int = 0
    essays: tuple[int, int] | None = None  # hashes of the two, where they may be bundled

    @property
    def window_key(self) -> tuple[str, str]:
        """The window it is gathered in: its round's, or under a schedule the one of its provider over all rounds."""
        strategy = self.resolved.strategy
        scheduled = STRATEGIES[strategy].closes is Closes.SCHEDULE
        return (f"{ALL_ROUNDS}{self.resolved.provider}" if scheduled else self.round_key, strategy)


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The most that one job of a provider may hold, and how many comparisons go into one line of it."""

    max_items: int
    max_bytes: int
    max_tokens: int = 1_000_000_000
    bundle_size: int = 8
    batch_bundle_size: int = 1


MAX_MEMBERS = 10_000  # of one job: what its records and facts can name within 4 MiB
# At most so much do the parameters, the schema and the JSON quoting of one line add to its prompt (measured: 900 B to 1.4 KB),
# and by so much may JSON escapes lengthen a text that is mostly ASCII.
LINE_OVERHEAD_BYTES = 2_048
ESCAPE_FACTOR = 1.2
BYTES_PER_TOKEN = 2.5  # an upper bound of tokens from bytes, for every provider (docs/providers.md#tokens-and-prices)


# For estimates of what things cost, which are to be right on average.
MEAN_BYTES_PER_TOKEN = 4  # of English prose
_SYSTEM_BYTES = 600  # the default system prompt has 505
# Of a comparison's prompt: what is the same in all of a round, context and instructions. The rest are its two essays.
_COMMON_PART = 0.3


def encoded_bytes(pending: Pending) -> int:
    """An upper estimate of one comparison's size in a job."""
    return int(pending.prompt_bytes * ESCAPE_FACTOR) + LINE_OVERHEAD_BYTES


def estimated_tokens(pending: Pending) -> int:
    """An upper estimate of one comparison's input tokens."""
    return math.ceil((pending.prompt_bytes + LINE_OVERHEAD_BYTES) / BYTES_PER_TOKEN)


def mean_tokens(pending: Pending) -> int:
    """About how many input tokens one comparison has when it is asked alone."""
    return math.ceil((pending.prompt_bytes + _SYSTEM_BYTES) / MEAN_BYTES_PER_TOKEN)


Line = list[Pending]
Audits = Mapping[Member, tuple[Shadow, ...]]  # first member of a line → the line's shadows
_NO_AUDITS: Audits = {}


def cut(
    window: Iterable[Pending],
    *,
    closed_by: ClosedBy,
    limits: Mapping[str, JobLimits],
    policies: Mapping[str, Policy],
    corrections: Corrections | None = None,
    audits: AuditRule | None = None,
) -> tuple[Plan, ...]:
    """Cut the members of one window into plans, each comparison into exactly one.

    They are grouped by provider and model, in member order, so that the same members always give the same plans. A plan ends
    where the next line would exceed the provider's limits. A line of several members holds one round and one call profile, and
    if possible comparisons that share essays (domain.essay_order), at most as many as `corrections` allow its model. Their
    slots in it are dealt by chance (`_dealt`).

    A window that closed for being full keeps the last plan, which is not full: its members go with what comes next. Without
    that, a nightly window was seen to send a batch of one comparison after each full one. At a provider that takes one answer
    schema a batch, lines of different sizes are different plans (domain.providers.by_schema), and the last of each size stays.

    audits: which lines get shadows; None: none. Shadows of a batch count in its limits.
    """
    groups: dict[tuple[str, str, str], list[Pending]] = {}
    for pending in sorted(window, key=lambda item: item.member):
        of = pending.resolved
        groups.setdefault((of.strategy, of.provider, of.model), []).append(pending)
    plans = []
    for (strategy, provider, model), members in groups.items():
        row, most = STRATEGIES[strategy], limits[provider]
        allowed = corrections.most(provider, model) if corrections is not None else None
        lines = _lines(members, row, most, allowed)
        in_batch = row.transport is Transport.BATCH
        groups_of_lines = by_schema(provider, lines) if in_batch else (lines,)
        audited = _NO_AUDITS if audits is None else _audited(lines, audits, most, policies[provider].layout, in_batch=in_batch)
        chunks = [list(_chunks(group, most, audited if in_batch else _NO_AUDITS)) for group in groups_of_lines]
        if closed_by is ClosedBy.FULL and any(len(of_group) > 1 for of_group in chunks):
            chunks = [of_group[:-1] for of_group in chunks]
        plans += [_plan(chunk, strategy, closed_by, policies[provider], audited) for of_group in chunks for chunk in of_group]
    return tuple(plans)


def _audited(lines: Iterable[Line], rule: AuditRule, limits: JobLimits, layout: Layout, *, in_batch: bool) -> Audits:
    """The shadows of these lines, which have one provider and model."""
    found: dict[Member, tuple[Shadow, ...]] = {}
    for line in lines:
        of = line[0].resolved
        if in_batch and len(line) > 1 and PROVIDERS[of.provider].one_schema_a_job:
            continue  # its shadows, which are answered one by one, cannot be in the same batch
        tokens = [mean_tokens(one) for one in line]
        line_tokens, shares = (tokens[0], False) if len(line) == 1 else _tokens_of_bundle(line, tokens, layout)
        shadows = rule.shadows_of(
            [one.member for one in line],
            line[0].round_key,
            account=(of.provider, of.model, in_batch),
            line_tokens=line_tokens,
            tokens=tokens,
            layout="shared_essays" if shares else "verbatim",
        )
        if shadows and (not in_batch or _fits_with(line, shadows, limits)):
            found[line[0].member] = shadows
    return found


def _fits_with(line: Line, shadows: tuple[Shadow, ...], limits: JobLimits) -> bool:
    items, size, tokens = _taken(line, shadows)
    return items <= limits.max_items and size <= limits.max_bytes and tokens <= limits.max_tokens


def _tokens_of_bundle(line: Line, tokens: list[int], layout: Layout) -> tuple[int, bool]:
    """About how many input tokens a bundle has, and whether essays that stand in several of its pairs are written once."""
    essays = [essay for one in line if one.essays is not None for essay in one.essays]
    written = 2 * len(line)
    shares = layout != "verbatim" and len(essays) == written
    if shares:
        written = len(set(essays))
        shares = layout == "shared_essays" or written < len(essays)
    mean = sum(tokens) / len(line)
    return math.ceil(mean * ((1 - _COMMON_PART) * written / 2 + _COMMON_PART)), shares


def _lines(members: list[Pending], row: Strategy, limits: JobLimits, allowed: int | None) -> list[Line]:
    most = row.line_size(limits.bundle_size, limits.batch_bundle_size)
    if allowed is not None:
        most = min(most, allowed)
    if most == 1:
        return [[pending] for pending in members]
    lines: list[Line] = []
    open_lines: dict[tuple[str, str], Line] = {}
    for pending in _together([one for one in members if one.resolved.bundle_hint != ALONE], most):
        key = (pending.round_key, pending.resolved.profile)
        line = open_lines.get(key)
        if line is None or not _fits(line, pending, most, limits):
            line = open_lines[key] = []
            lines.append(line)
        line.append(pending)
    return [*map(_dealt, lines), *([one] for one in members if one.resolved.bundle_hint == ALONE)]


def _dealt(line: Line) -> Line:
    """The line with its slots dealt by chance, but always alike: by a hash of its round and members.

    Members come ordered by their essays and arrival. A judge that is worse in late slots would be so for the same essays each
    time. Dealt, it is noise that hits all of them alike, and a difference between slots is the slots' doing (domain.census).
    """
    if len(line) == 1:
        return line
    said = ",".join(f"{one.member.offset}/{one.member.position}" for one in line)
    # 512 bits: 64 members, the most that a line holds, have fewer than 2^296 orders.
    drawn = int.from_bytes(blake2b(f"{line[0].round_key} {said}".encode("utf-8", "surrogatepass")).digest())
    dealt = line.copy()
    for last in range(len(dealt) - 1, 0, -1):
        drawn, place = divmod(drawn, last + 1)
        dealt[last], dealt[place] = dealt[place], dealt[last]
    return dealt


def _together(members: list[Pending], most: int) -> Iterable[Pending]:
    """The members by round and call profile, and within these ordered so that those that share essays are together."""
    alike: dict[tuple[str, str, bool], list[Pending]] = {}
    for pending in members:
        of = pending.resolved
        alike.setdefault((pending.round_key, of.profile, pending.essays is None), []).append(pending)
    for group in alike.values():
        pairs = [pending.essays for pending in group if pending.essays is not None]
        yield from (group[place] for place in by_essays(pairs, most)) if pairs else group


def _fits(line: Line, pending: Pending, most: int, limits: JobLimits) -> bool:
    wanted = [*line, pending]
    return (
        len(wanted) <= min(min(most, one.resolved.bundle_hint or most) for one in wanted)
        and sum(map(encoded_bytes, wanted)) <= limits.max_bytes
        and sum(map(estimated_tokens, wanted)) <= limits.max_tokens
    )


def _taken(line: Line, shadows: tuple[Shadow, ...] = ()) -> tuple[int, int, int]:
    """What a line and its shadows take of a job's limits: items, bytes, tokens."""
    size, tokens = sum(map(encoded_bytes, line)), sum(map(estimated_tokens, line))
    if not shadows:
        return 1, size, tokens
    again, more = next(one for one in line if one.member == shadows[0].member), len(shadows)
    return 1 + more, size + more * encoded_bytes(again), tokens + more * estimated_tokens(again)


def _chunks(lines: Iterable[Line], limits: JobLimits, audits: Audits) -> Iterable[list[Line]]:
    chunk: list[Line] = []
    items = members = size = tokens = 0
    for line in lines:
        more, more_size, more_tokens = _taken(line, audits.get(line[0].member, ()))
        full = (
            items + more > limits.max_items
            or members + len(line) > MAX_MEMBERS
            or size + more_size > limits.max_bytes
            or tokens + more_tokens > limits.max_tokens
        )
        if chunk and full:
            yield chunk
            chunk, items, members, size, tokens = [], 0, 0, 0, 0
        chunk.append(line)
        items, members, size, tokens = items + more, members + len(line), size + more_size, tokens + more_tokens
    if chunk:
        yield chunk


def _plan(chunk: list[Line], strategy: str, closed_by: ClosedBy, policy: Policy, audits: Audits) -> Plan:
    row = STRATEGIES[strategy]
    first = chunk[0][0]
    resolved = first.resolved
    return Plan(
        provider=resolved.provider,
        model=resolved.model,
        transport=row.transport,
        mode=row.mode,
        lines=tuple(tuple(pending.member for pending in line) for line in chunk),
        deadline_ms=min(pending.resolved.deadline_ms for line in chunk for pending in line),
        last_deadline_ms=max(pending.resolved.deadline_ms for line in chunk for pending in line),
        closed_by=closed_by,
        round_key=first.window_key[0],
        policy=policy,
        shadow_lines=tuple(shadow for line in chunk for shadow in audits.get(line[0].member, ())) or UNSET,
    )
