"""Table `outcomes`: which members ended, and how, and what was paid, by the work record that says so.

partition/work offset → the record's endings. Where a callback topic has refused a member's event for its size, also
partition/work offset/too_large/member's offset/member's position → an empty list of endings: the fact is that the entry exists.
Gone by dedup retention.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.comparison import Member
from domain.outcome import Ending
from domain.partition.payments import Paid
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec

NAME = "outcomes"


@dataclass(frozen=True, slots=True)
class Endings:
    """Which members a work record ended, or left open and why, and what everything in the record has cost."""

    offset: int
    endings: tuple[Ending, ...]
    paid: tuple[Paid, ...] = ()


CODEC: Codec[Endings] = Codec(Endings, version=2)  # 2 added: causes of a retry, and its details


def key(partition: int, offset: int) -> bytes:
    """The entry's key."""
    return f"{partition}/{offset}".encode()


def too_large_key(partition: int, offset: int, member: Member) -> bytes:
    """The key of the entry that says that this member's event was refused for its size."""
    return f"{partition}/{offset}/too_large/{member.offset}/{member.position}".encode()


def too_large(offset: int) -> bytes:
    """That entry's value."""
    return CODEC.encode(Endings(offset, ()))


def facts(table: AcknowledgedTable, partition: int) -> Iterator[Endings]:
    """All entries of a partition."""
    for _, value in table.entries(partition):
        yield CODEC.decode(value)
