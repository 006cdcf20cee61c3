"""Table `outcomes`: which members ended, and how, and what was paid, by the work record that says so.

partition/work offset → the record's endings. Where a callback topic has refused a member's event for its size, also
partition/work offset/too_large/member's offset/member's position → an empty list of endings: the fact is that the entry exists.
partition/work offset/corrected → what the record says of a bent judge (domain.partition.corrections). Gone by dedup retention.

Its rows (tables.index): `n` inbound offset, work offset → the work record tells how a member of that record stands · `k`
work offset → there is an entry · `u` work offset → it ends a member without an answer · `q` quarter of an hour → USD paid in
it · `p` paying batch → USD paid for it, and the quarter of the last payment · `j` work offset → the record says something of a
bent judge.
"""

import asyncio
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from domain.comparison import Member
from domain.outcome import ANSWERED, Ending
from domain.partition.corrections import Correction
from domain.partition.payments import QUARTER_MS, Paid, Payments
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec
from tables.index import Get, Row, number, number_at

NAME = "outcomes"
_USD, _USD_AND_LAST = struct.Struct(">d"), struct.Struct(">dQ")


class Endings(Struct, frozen=True, gc=False):
    """Which members a work record ended, or left open and why, and what everything in the record has cost."""

    offset: int
    endings: tuple[Ending, ...]
    paid: tuple[Paid, ...] = ()


CODEC: Codec[Endings] = Codec(Endings, version=2)  # 2 added: causes of a retry, and its details
CORRECTED: Codec[Correction] = Codec(Correction)
_CORRECTED = b"/corrected"  # an older worker takes only a name with one slash for endings, and passes this over


def key(partition: int, offset: int) -> bytes:
    """The entry's key."""
    return f"{partition}/{offset}".encode()


def find(table: AcknowledgedTable, partition: int, offset: int) -> Endings | None:
    """What the work record at this offset has ended and cost."""
    value = table.find(partition, key(partition, offset))
    return None if value is None else CODEC.decode(value)


def put(table: AcknowledgedTable, partition: int, told: Endings, *, is_new: bool) -> "asyncio.Future[Any]":
    """Put them. What was paid is added to the sums where the entry is new, and not when a record is read again."""
    rows = _rows(told, is_new, lambda row: table.row(partition, row))
    return table.put(partition, key(partition, told.offset), CODEC.encode(told), rows)


def too_large_key(partition: int, offset: int, member: Member) -> bytes:
    """The key of the entry that says that this member's event was refused for its size."""
    return f"{partition}/{offset}/too_large/{member.offset}/{member.position}".encode()


def put_too_large(table: AcknowledgedTable, partition: int, offset: int, member: Member) -> "asyncio.Future[Any]":
    """Put that this member's event was refused for its size."""
    return table.put(partition, too_large_key(partition, offset, member), CODEC.encode(Endings(offset, ())))


def put_corrected(table: AcknowledgedTable, partition: int, offset: int, told: Correction) -> "asyncio.Future[Any]":
    """Put what the record at this offset says of a bent judge."""
    return table.put(partition, key(partition, offset) + _CORRECTED, CORRECTED.encode(told), ((b"j" + number(offset), b""),))


def corrections(table: AcknowledgedTable, partition: int) -> Iterator[Correction]:
    """All that is known of bent judges, in the order of the log."""
    for row, _ in table.rows(partition, b"j", b"k"):
        value = table.find(partition, key(partition, number_at(row, 1)) + _CORRECTED)
        if value is not None:
            yield CORRECTED.decode(value)


def derive(name: bytes, value: bytes, before: bytes | None, get: Get) -> Iterator[Row]:
    """The rows of an entry that is read from the changelog."""
    if name.endswith(_CORRECTED):
        return iter(((b"j" + number(int(name.split(b"/")[1])), b""),))
    return _rows(CODEC.decode(value), before is None, get) if name.count(b"/") == 1 else iter(())


def _rows(told: Endings, is_new: bool, get: Get) -> Iterator[Row]:
    offset = number(told.offset)
    yield b"k" + offset, b""
    if any(ending.terminal and ending.code != ANSWERED for ending in told.endings):
        yield b"u" + offset, b""
    for inbound in {ending.member.offset for ending in told.endings}:
        yield b"n" + number(inbound) + offset, b""
    if is_new and told.paid:
        yield from _sums(told.paid, get)


def _sums(paid: tuple[Paid, ...], get: Get) -> Iterator[Row]:
    quarters: dict[bytes, float] = {}
    batches: dict[bytes, tuple[float, int]] = {}
    for one in paid:
        quarter = one.at_ms // QUARTER_MS
        name = b"q" + number(quarter)
        if name not in quarters:
            quarters[name] = _USD.unpack(get(name) or bytes(8))[0]
        quarters[name] += one.usd
        if one.paying_batch:
            name = b"p" + one.paying_batch.encode()
            usd, last = batches.get(name) or _USD_AND_LAST.unpack(get(name) or bytes(16))
            batches[name] = (usd + one.usd, max(last, quarter))
    yield from ((name, _USD.pack(usd)) for name, usd in quarters.items())
    yield from ((name, _USD_AND_LAST.pack(*sums)) for name, sums in batches.items())


def payments(table: AcknowledgedTable, partition: int) -> Payments:
    """The sums of everything that was paid, by records that are to be read again too."""
    quarters = {number_at(name, 1): _USD.unpack(told)[0] for name, told in table.rows(partition, b"q", b"r")}
    batches = {name[1:].decode(): _USD_AND_LAST.unpack(told) for name, told in table.rows(partition, b"p", b"q")}
    return Payments(quarters, batches)


def of_records(table: AcknowledgedTable, partition: int, offsets: Sequence[int], beyond: int) -> Iterator[int]:
    """The work offsets that tell of members of the records at these offsets, in order, or at `beyond` and after it."""
    for row, _ in table.rows_at(partition, b"n", offsets):
        yield number_at(row, 9)
    for row, _ in table.rows(partition, b"n" + number(beyond), b"o"):
        yield number_at(row, 9)


def since(table: AcknowledgedTable, partition: int, offset: int, *, unanswered: bool = False) -> Iterator[Endings]:
    """The entries of work records at this offset and after it; of those alone that end a member without an answer."""
    kind, after = (b"u", b"v") if unanswered else (b"k", b"l")
    for row, _ in table.rows(partition, kind + number(offset), after):
        told = find(table, partition, number_at(row, 1))
        if told is not None:
            yield told


def latest(table: AcknowledgedTable, partition: int) -> int | None:
    """The latest work offset of which there is an entry."""
    row = table.last_row(partition, b"k")
    return None if row is None else number_at(row[0], 1)
