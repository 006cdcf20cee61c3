"""Table `rounds`, the windowed one: what each inbound record brought to each round.

partition/round/offset → domain.rounds.RoundEntry. Gone by dedup retention: known ids must outlive any repetition of a request.
"""

from collections.abc import Iterator

from domain.rounds import RoundEntry
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec

NAME = "rounds"
CODEC = Codec(RoundEntry)


def key(partition: int, round_key: str, offset: int) -> bytes:
    """The entry's key."""
    return f"{partition}/{round_key}/{offset}".encode()


def entries(table: AcknowledgedTable, partition: int) -> Iterator[RoundEntry]:
    """All entries of a partition."""
    for _, value in table.entries(partition):
        yield CODEC.decode(value)
