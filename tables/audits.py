"""Table `audits`: what work records tell of shadow audits, by the record's offset.

partition/work offset → Facts. Gone AUDIT__KEEP_DAYS after it was written. It has no rows: a view reads all of it.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from msgspec.structs import astuple

from domain.auditing import Facts, Watched
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec

NAME = "audits"


class _FactsCodec(Codec[Facts]):
    """Leaves `suspect` out of what it writes where it is false, for workers before version 2 read no longer list."""

    def encode(self, value: Facts) -> bytes:
        """Value to bytes."""
        if not value.watched or all(one.suspect for one in value.watched):
            return super().encode(value)
        said = tuple(one if one.suspect else astuple(one)[:_BEFORE_SUSPECTS] for one in value.watched)
        return self.begin(value) + self._encode((value.offset, value.at_ms, said, value.delivered, value.replies))


_BEFORE_SUSPECTS = Watched.__struct_fields__.index("suspect")
# 2 added: `suspect` of Watched
CODEC: Codec[Facts] = _FactsCodec(Facts, version=2, lowest=lambda facts: 2 if any(one.suspect for one in facts.watched) else 1)


def key(partition: int, offset: int) -> bytes:
    """The entry's key."""
    return f"{partition}/{offset}".encode()


def find(table: AcknowledgedTable, partition: int, offset: int) -> Facts | None:
    """What the work record at this offset tells of audits."""
    value = table.find(partition, key(partition, offset))
    return None if value is None else CODEC.decode(value)


def put(table: AcknowledgedTable, partition: int, told: Facts) -> "asyncio.Future[Any]":
    """Put it."""
    return table.put(partition, key(partition, told.offset), CODEC.encode(told))


def before(table: AcknowledgedTable, partition: int, offset: int) -> Iterator[Facts]:
    """What the records before this work offset tell, in no order; it may be much, so that a caller should breathe."""
    for _, value in table.entries(partition):
        told = CODEC.decode(value)
        if told.offset < offset:
            yield told
