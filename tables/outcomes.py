"""Table `outcomes`: which members ended, and how, by the work record that ended them.

partition/work offset → the record's endings. Gone by dedup retention.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.outcome import Ending
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec

NAME = "outcomes"


@dataclass(frozen=True, slots=True)
class Endings:
    """What one work record ended, or left open with its reason."""

    offset: int
    endings: tuple[Ending, ...]


CODEC: Codec[Endings] = Codec(Endings)


def key(partition: int, offset: int) -> bytes:
    """The entry's key."""
    return f"{partition}/{offset}".encode()


def facts(table: AcknowledgedTable, partition: int) -> Iterator[Endings]:
    """All entries of a partition."""
    for _, value in table.entries(partition):
        yield CODEC.decode(value)
