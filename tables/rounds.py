"""Table `rounds`, from which windows are rebuilt: what each inbound record brought to each round.

partition/round/offset[.piece] → domain.rounds.RoundEntry. Gone by dedup retention: an id must be known for as long as its
request may be repeated.
"""

from collections.abc import Iterator

from domain.rounds import RoundEntry
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec

NAME = "rounds"
CODEC = Codec(RoundEntry)


def key(partition: int, entry: RoundEntry) -> bytes:
    """The entry's key. The piece comes after a dot and not after a slash, for a round's key may hold a slash."""
    piece = f".{entry.piece}" if entry.piece else ""
    return f"{partition}/{entry.round_key}/{entry.offset}{piece}".encode()


def entries(table: AcknowledgedTable, partition: int) -> Iterator[RoundEntry]:
    """All entries of a partition."""
    for _, value in table.entries(partition):
        yield CODEC.decode(value)
