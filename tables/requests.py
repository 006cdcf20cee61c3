"""Table `requests`: the inbound records with their prompts, once each.

partition/offset → append time (8 bytes, ms since the epoch) and the record's bytes. Gone by RequestsDone.
"""

from collections.abc import Iterator

from msgspec import Struct

from tables.acknowledged import AcknowledgedTable
from tables.codec import body_of, with_version

NAME = "requests"


class Stored(Struct, frozen=True, gc=False):
    """One inbound record as it was read."""

    append_ms: int
    raw: bytes


def key(partition: int, offset: int) -> bytes:
    """The entry's key."""
    return f"{partition}/{offset}".encode()


def encode(stored: Stored) -> bytes:
    """The entry's value."""
    return with_version(stored.append_ms.to_bytes(8, "big") + stored.raw)


def find(table: AcknowledgedTable, partition: int, offset: int) -> Stored | None:
    """The record at an inbound offset; None where it is finished, or not read yet (the view knows). Raises UnknownVersion."""
    value = table.find(partition, key(partition, offset))
    if value is None:
        return None
    body = body_of(value)
    return Stored(int.from_bytes(body[:8], "big"), body[8:])


def offsets(table: AcknowledgedTable, partition: int) -> Iterator[int]:
    """The inbound offsets that have an entry."""
    for name in table.keys_of(partition):
        yield int(name.rpartition(b"/")[2])
