"""Table `outcomes`: which members ended, and how, and what was paid, by the work record that says so.

partition/work offset → the record's endings. Gone by dedup retention.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.outcome import Ending
from domain.payments import Paid
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


def facts(table: AcknowledgedTable, partition: int) -> Iterator[Endings]:
    """All entries of a partition."""
    for _, value in table.entries(partition):
        yield CODEC.decode(value)
