"""Table `outcomes`: which members ended, and how, and what was paid, by the work record that says so.

partition/work offset → the record's endings. Beside it, for a member whose event the topic has refused for its size,
partition/work offset/too_large/its offset/its position → endings of none: that it is there is the fact. Gone by dedup
retention.
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
    """What one work record ended, or left open with its reason, and what all it told of has cost."""

    offset: int
    endings: tuple[Ending, ...]
    paid: tuple[Paid, ...] = ()


CODEC: Codec[Endings] = Codec(Endings, version=2)  # 2: more causes of a retry, and its details


def key(partition: int, offset: int) -> bytes:
    """The entry's key."""
    return f"{partition}/{offset}".encode()


def too_large_key(partition: int, offset: int, member: Member) -> bytes:
    """The key of the entry that says: this member's event was refused for its size."""
    return f"{partition}/{offset}/too_large/{member.offset}/{member.position}".encode()


def too_large(offset: int) -> bytes:
    """That entry's value."""
    return CODEC.encode(Endings(offset, ()))


def facts(table: AcknowledgedTable, partition: int) -> Iterator[Endings]:
    """All entries of a partition."""
    for _, value in table.entries(partition):
        yield CODEC.decode(value)
