"""Table `rounds`, from which windows are rebuilt: what each inbound record brought to each round.

partition/round/offset[.piece] → domain.rounds.RoundEntry. Gone by dedup retention: an id must be known for as long as its
request may be repeated.

Its rows (tables.index), which are gone by the dedup retention too:
`i` id → where it came first, and with what content · `e` inbound offset, key of an entry → append time · `r` round, inbound
offset, piece → what the entry brought to the round's progress · `c` day → how many ids came in entries of that day.
"""

import asyncio
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from domain.comparison import Member
from domain.partition.history import Known
from domain.rounds import COUNTED, Brought, RoundEntry, batch_key
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec
from tables.index import Get, Row, number, number_at

NAME = "rounds"
CODEC = Codec(RoundEntry)
_DAY_MS = 86_400_000
_PLACE, _BROUGHT, _ROUND_PLACE = struct.Struct(">QIQ"), struct.Struct(">IIII"), struct.Struct(">QH")
_SHA256_BYTES = 32


def key(partition: int, entry: RoundEntry) -> bytes:
    """The entry's key."""
    return _key(partition, entry.round_key, entry.offset, entry.piece)


def _key(partition: int, round_key: str, offset: int, piece: int) -> bytes:
    """The piece comes after a dot and not after a slash, for a round's key may hold a slash."""
    numbered = f".{piece}" if piece else ""
    return f"{partition}/{round_key}/{offset}{numbered}".encode()


def put_once(table: AcknowledgedTable, partition: int, judged: RoundEntry) -> "tuple[RoundEntry, asyncio.Future[Any]]":
    """Put what a record brought to a round; what an earlier reading has put is put again. Returns what is there now."""
    name = key(partition, judged)
    found = table.find(partition, name)
    entry = judged if found is None else CODEC.decode(found)
    value = CODEC.encode(entry) if found is None else found
    rows = _rows(name, entry, found is None, lambda row: table.row(partition, row))
    return entry, table.put(partition, name, value, rows)


def derive(name: bytes, value: bytes, before: bytes | None, get: Get) -> Iterator[Row]:
    """The rows of an entry that is read from the changelog."""
    entry = CODEC.decode(value)
    for row, told in _rows(name, entry, before is None, get):
        # An id counts in two entries where the dedup retention was over when it came again: then the later place is known.
        # (A changelog does not keep the order of the log: a worker that lost the partition may write an entry once more.)
        if row[:1] == b"i" and (known := get(row)) is not None and known[:8] > told[:8]:
            continue
        yield row, told


def _rows(name: bytes, entry: RoundEntry, is_new: bool, get: Get) -> Iterator[Row]:
    offset = number(entry.offset)
    yield b"e" + offset + name, number(entry.append_ms)
    brought = entry.brought
    place = _ROUND_PLACE.pack(brought.offset, brought.piece)
    told = _BROUGHT.pack(brought.ids, brought.announced, brought.part, brought.parts)
    yield _of_round(entry.round_key) + place, told
    if is_new:
        day = b"c" + number(entry.append_ms // _DAY_MS)
        yield day, number(number_at(get(day) or bytes(8), 0) + brought.ids)
    for arrival in entry.arrivals:
        if arrival.standing in COUNTED:
            sha256 = arrival.content_sha256
            content = bytes.fromhex(sha256) if len(sha256) == 2 * _SHA256_BYTES else sha256.encode()
            known = _PLACE.pack(entry.offset, arrival.position, entry.append_ms) + content
            yield b"i" + arrival.correlation_id.encode(), known


def _of_round(round_key: str) -> bytes:
    return b"r" + round_key.encode() + b"\0"


def entries(table: AcknowledgedTable, partition: int, offsets: Sequence[int]) -> Iterator[tuple[int, list[RoundEntry]]]:
    """What the records at these offsets brought, which are in order; nothing of a record that brought nothing."""
    of_record: list[RoundEntry] = []
    for row, _ in table.rows_at(partition, b"e", offsets):
        value = table.find(partition, row[9:])
        if value is None:
            continue  # gone by the dedup retention before its row
        entry = CODEC.decode(value)
        if of_record and of_record[0].offset != entry.offset:
            yield of_record[0].offset, of_record
            of_record = []
        of_record.append(entry)
    if of_record:
        yield of_record[0].offset, of_record


def latest(table: AcknowledgedTable, partition: int) -> tuple[int, int] | None:
    """Offset and append time of the latest record that brought something."""
    row = table.last_row(partition, b"e")
    return None if row is None else (number_at(row[0], 1), number_at(row[1], 0))


def known(table: AcknowledgedTable, partition: int, ids: Sequence[str], since_ms: int) -> dict[str, Known]:
    """Those of the ids that came in a record appended at this time or later, each where it came first."""
    found = {}
    for one, told in zip(ids, table.row_values(partition, [b"i" + one.encode() for one in ids]), strict=True):
        if told is not None:
            offset, position, append_ms = _PLACE.unpack_from(told)
            content = told[_PLACE.size :]
            if append_ms >= since_ms:
                sha256 = content.hex() if len(content) == _SHA256_BYTES else content.decode()
                found[one] = Known(Member(offset, position), sha256, append_ms)
    return found


def brought(table: AcknowledgedTable, partition: int, round_key: str, before: int) -> list[Brought]:
    """What records before this offset brought to a round, in the order of the log."""
    begin = _of_round(round_key)
    rows = table.rows(partition, begin, begin + number(before))
    # Of another length is the row of another round, whose key has this one's and a zero byte in it.
    whole = ((name, told) for name, told in rows if len(name) == len(begin) + _ROUND_PLACE.size)
    return [Brought(*_ROUND_PLACE.unpack_from(name, len(begin)), *_BROUGHT.unpack(told)) for name, told in whole]


def keys_of_batch(table: AcknowledgedTable, partition: int, batch: str) -> list[bytes]:
    """The keys of the entries of all rounds of a batch (domain.rounds.batch_key), by round."""
    found = []
    for row, _ in table.rows(partition, b"r" + batch.encode() + b":", b"r" + batch.encode() + b";"):
        round_key = row[1 : -_ROUND_PLACE.size - 1].decode()
        if batch_key(round_key) == batch:  # an id may hold a colon
            found.append(_key(partition, round_key, *_ROUND_PLACE.unpack_from(row, len(row) - _ROUND_PLACE.size)))
    return found


def count(table: AcknowledgedTable, partition: int, since_ms: int) -> int:
    """How many ids came since the day of this time, by UTC."""
    since = b"c" + number(max(0, since_ms) // _DAY_MS)
    return sum(number_at(told, 0) for _, told in table.rows(partition, since, b"d"))
