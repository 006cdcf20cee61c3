"""How the comparisons of one inbound record are judged on arrival: accepted, rejected, duplicate or in conflict."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from domain.comparison import Member
from domain.partition.history import Known
from domain.rounds import Arrival, RoundEntry, Standing

# The most arrivals in one entry of `rounds`. A request record of 1 MiB can hold some 14,000 of the smallest comparisons that
# can be answered. Each takes 450 B to 1.2 KB in the entry (with its fault's message), and an entry above 4 MiB could never be
# written.
MAX_ARRIVALS = 2_000


class Candidate(Struct, frozen=True, gc=False):
    """One position of an inbound record as it stands by itself: accepted, or rejected for its fault."""

    round_key: str
    announced: int | None
    arrival: Arrival


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
        arrival = candidate.arrival
        before = known.get(arrival.correlation_id)
        first = before if before is not None and before.member.offset < offset else here.get(arrival.correlation_id)
        if first is None:
            here[arrival.correlation_id] = Known(Member(offset, arrival.position), arrival.content_sha256)
        else:
            same = first.content_sha256 == arrival.content_sha256
            arrival = replace(arrival, standing=Standing.DUPLICATE if same else Standing.CONFLICT, fault=None)
        rounds.setdefault(candidate.round_key, []).append(arrival)
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
