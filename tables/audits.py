"""Table `audits`: what work records tell of shadow audits, by the record's offset.

partition/work offset → Facts. Gone AUDIT__KEEP_DAYS after it was written. It has no rows: a view reads all of it.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from domain.auditing import Facts
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec

NAME = "audits"
CODEC: Codec[Facts] = Codec(Facts)


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
