"""Rounds: to which one a comparison belongs, and how each position of an inbound record was judged on arrival."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType, field

from domain.comparison import Member
from domain.reply import Fault
from domain.resolved import Resolved

_LONGEST_BATCH = 64
# preferred_bundle_size is the size of the round, but never above this: at 64 the size is unknown (docs/contract.md#requests).
HINT_CAP = 64
OWN = "own"  # begins the key of a round of a request that names no batch
ALONE = 1
SUSPECTS_OF_B = 8  # so many bits above those of Essay A


class Standing(StrEnum):
    """How collect judged one position."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # ends in an error event
    DUPLICATE = "duplicate"  # same id, same content: the first one's result stands, nothing to do
    CONFLICT = "conflict"  # same id, other content: dead letter, unanswered


# These make an id known and count in their round. A duplicate or a conflict is of an id that is known.
COUNTED = frozenset({Standing.ACCEPTED, Standing.REJECTED})


class Arrival(Struct, frozen=True, gc=False):
    """One position of an inbound record as collect judged it, with what settings resolved for it (domain.resolved).

    The order of the fields is the order in the stored bytes; a new field needs a default, because entries without it are read.
    """

    position: int
    correlation_id: str
    content_sha256: str
    standing: Standing
    provider: str = ""
    model: str = ""
    strategy: str = ""
    profile: str = ""
    prompt_bytes: int = 0
    deadline_ms: int = 0
    bundle_hint: int = 0  # the most comparisons in its line; ALONE for one with a suspect essay; 0: not said
    paying_batch: str = field(default="", name="batch")  # stored as `batch`
    max_tokens: int = 0
    essays: tuple[int, int] | None = None  # hashes of the two, where they may be bundled
    fault: Fault | None = None
    pair: tuple[int, int] | UnsetType = UNSET  # 32 bits of the two essays' IDs, where the blocks show them
    suspects: int | UnsetType = UNSET  # how Essay A speaks to the judge (domain.suspects.mask_of), and above 8 bits Essay B

    @property
    def resolved(self) -> Resolved:
        """What planning is told, apart from what each comparison has of its own."""
        return Resolved(
            self.provider,
            self.model,
            self.strategy,
            self.profile,
            self.deadline_ms,
            self.bundle_hint,
            self.paying_batch,
            self.max_tokens,
        )


class Brought(NamedTuple):
    """What one entry brought to its round's progress: how many distinct ids, and what it says of the round's size."""

    offset: int
    piece: int
    ids: int
    announced: int  # 0: not said
    part: int
    parts: int  # 0: not said


class RoundEntry(Struct, frozen=True, gc=False):
    """What one inbound record brought to one round, or a piece of it (a value of the table `rounds`)."""

    round_key: str
    offset: int
    append_ms: int
    arrivals: tuple[Arrival, ...]
    announced: int | None = None
    part: int = 1
    parts: int | None = None  # None: a single request, whose round has no end-of-round marker
    piece: int = 0  # of the record's arrivals in this round, where they are too many for one entry

    def member(self, arrival: Arrival) -> Member:
        """The member at that arrival's position."""
        return Member(self.offset, arrival.position)

    @property
    def brought(self) -> Brought:
        """What this entry brought to its round's progress."""
        ids = sum(arrival.standing in COUNTED for arrival in self.arrivals)
        return Brought(self.offset, self.piece, ids, self.announced or 0, self.part, self.parts or 0)


def round_key(metadata: Mapping[str, Any], member: Member) -> str:
    """The key of a round: cj_batch_id and iteration, or bos_batch_id and iteration; with neither id a round of its own."""
    number = iteration(metadata)
    for name in ("cj_batch_id", "bos_batch_id"):
        batch = metadata.get(name)
        if isinstance(batch, str | int) and str(batch):
            return f"{name.removesuffix('_batch_id')}:{batch}:{number}"
    return f"{OWN}:{member.offset}:{member.position}"


def is_of_batch(key: str, batch: str) -> bool:
    """Whether a round is of this cj_batch_id, or, where it has none, of this bos_batch_id. Exactly: "13" is not "138"."""
    return batch_key(key) in (f"cj:{batch}", f"bos:{batch}")


def batch_key(key: str) -> str:
    """The key of a round without its iteration: that of its batch. OWN where it has none."""
    return OWN if key.startswith(f"{OWN}:") else key.rpartition(":")[0]


def iteration(metadata: Mapping[str, Any]) -> int:
    """The number of the comparison's round in its cj_batch, from 0; 0 too where the request does not say it."""
    number = metadata.get("comparison_iteration")
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def paying_batch(metadata: Mapping[str, Any]) -> str:
    """The bos_batch_id, whose budget pays; "" where there is none. One that is longer than any UUID is cut."""
    batch = metadata.get("bos_batch_id")
    return str(batch)[:_LONGEST_BATCH] if isinstance(batch, str | int) else ""


def announced_size(metadata: Mapping[str, Any]) -> int | None:
    """The size of the round by its hint; None where there is no hint, or it is at its cap and the size unknown."""
    hint = metadata.get("preferred_bundle_size")
    if isinstance(hint, int) and not isinstance(hint, bool) and 1 <= hint < HINT_CAP:
        return hint
    return None


def bundle_hint(metadata: Mapping[str, Any]) -> int:
    """The most comparisons that the request wants in one call; 0 where it does not say."""
    hint = metadata.get("preferred_bundle_size")
    return hint if isinstance(hint, int) and not isinstance(hint, bool) and 1 <= hint <= HINT_CAP else 0
