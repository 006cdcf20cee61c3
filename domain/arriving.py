"""How the comparisons of one inbound record are judged on arrival: accepted, rejected, duplicate or in conflict."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.comparison import Member
from domain.partition.state import Known
from domain.reply import Fault
from domain.rounds import Arrival, RoundEntry, Standing

# Arrivals in one entry. 1 MiB of the smallest answerable comparisons is some 14,000; each takes 450 B to 1.2 KB here, with its
# fault's message, and an entry above 4 MiB could never be written.
MAX_ARRIVALS = 2_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """One position of an inbound record as read, with what settings resolved; fault: why it cannot be accepted."""

    position: int
    correlation_id: str
    content_sha256: str
    round_key: str
    announced: int | None
    strategy: str
    provider: str
    model: str
    profile: str
    prompt_bytes: int
    deadline_ms: int
    bundle_hint: int = 0
    batch: str = ""
    max_tokens: int = 0
    essays: tuple[int, int] | None = None
    fault: Fault | None = None


def arrive(
    offset: int,
    append_ms: int,
    candidates: Iterable[Candidate],
    known: Mapping[str, Known],
    *,
    part: int,
    parts: int | None,
) -> tuple[RoundEntry, ...]:
    """Judge the positions of one record; one entry a round, or several of at most MAX_ARRIVALS each.

    `known` may already hold ids of this very offset (a record read again): only ids of records before it count.
    """
    rounds: dict[str, list[Arrival]] = {}
    announced: dict[str, int] = {}
    here: dict[str, Known] = {}
    for candidate in candidates:
        member = Member(offset, candidate.position)
        before = known.get(candidate.correlation_id)
        first = before if before is not None and before.member.offset < offset else here.get(candidate.correlation_id)
        if first is None:
            here[candidate.correlation_id] = Known(member, candidate.content_sha256)
            standing = Standing.ACCEPTED if candidate.fault is None else Standing.REJECTED
        elif first.content_sha256 == candidate.content_sha256:
            standing = Standing.DUPLICATE
        else:
            standing = Standing.CONFLICT
        rounds.setdefault(candidate.round_key, []).append(_arrival(candidate, standing))
        if candidate.announced is not None:
            announced[candidate.round_key] = max(announced.get(candidate.round_key, 0), candidate.announced)
    return tuple(
        RoundEntry(
            round_key=key,
            offset=offset,
            append_ms=append_ms,
            arrivals=tuple(arrivals[start : start + MAX_ARRIVALS]),
            announced=announced.get(key),
            part=part,
            parts=parts,
            piece=start // MAX_ARRIVALS,
        )
        for key, arrivals in rounds.items()
        for start in range(0, len(arrivals), MAX_ARRIVALS)
    )


def _arrival(candidate: Candidate, standing: Standing) -> Arrival:
    return Arrival(
        position=candidate.position,
        correlation_id=candidate.correlation_id,
        content_sha256=candidate.content_sha256,
        standing=standing,
        provider=candidate.provider,
        model=candidate.model,
        strategy=candidate.strategy,
        profile=candidate.profile,
        prompt_bytes=candidate.prompt_bytes,
        deadline_ms=candidate.deadline_ms,
        bundle_hint=candidate.bundle_hint,
        batch=candidate.batch,
        max_tokens=candidate.max_tokens,
        essays=candidate.essays,
        fault=candidate.fault if standing is Standing.REJECTED else None,
    )
