"""A Faust table whose writes can be waited for, and name their partition: step 2 of streams.kafka.consumer.

Faust drops the future of a changelog send, lets only the current event of a stream write, and deletes a key from whichever
open partition touched it last (stores/rocksdb.py `_del`). Here every write goes to the partition it is told, in RocksDB and
in the changelog, and gives a future. Recovery and rebalancing are left to Faust. The files on disk are reached through
tables.store alone, so no read and no write of a table raises an exception of RocksDB: damage ends the process there.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import faust
from faust.types import TP, StoreT

from streams.kafka.outbox import MAX_RECORD_BYTES, Outbox
from tables.database import Database
from tables.index import PREFIX, Derive, Row
from tables.store import GuardedStore, digest

_KEEP_S = 0.05  # how long the offset in a store may be behind the acknowledgements
# Acknowledgements of a partition that wait for one before them: more than a batch has records (256 KB), for all of a batch but
# the first may be told of before it.
_MOST_EARLY = 4_096
_SIZES = ("rocksdb.live-sst-files-size", "rocksdb.cur-size-all-mem-tables")


class EntryTooLarge(ValueError):
    """A table entry is larger than a record of the changelog may be."""


@dataclass(slots=True)
class _Moved:
    """How far acknowledgements have moved a store's offset, which is written some of them at a time."""

    database: Database
    since: int | None  # the offset that the store holds until then
    offset: int
    key: bytes
    value: bytes | None
    told: str  # the digest of the record at the offset, where it is not that of key and value


class AcknowledgedTable(faust.Table[bytes, bytes]):
    """Bytes to bytes; keys begin with their partition."""

    outbox: Outbox
    derive: Derive | None = None  # how the rows of an entry follow from its bytes; None: it has none

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._moved: dict[int, _Moved] = {}
        self._restored: Counter[int] = Counter()
        self._early: defaultdict[int, dict[int, str]] = defaultdict(dict)  # digests by partition and offset

    def _new_store(self) -> StoreT[Any, Any]:
        return GuardedStore(
            "rocksdb://",
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            value_type=self.value_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            options=self.options,
        )

    @property
    def _rocks(self) -> Any:
        """Faust's RocksDB store, of which we use what has no public name: see the module's docstring."""
        return self.data

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Faust's own: write what a recovery has read; and count it."""
        events = list(batch)
        self._restored.update(event.message.partition for event in events)
        super().apply_changelog_batch(events)

    def entries_restored(self, partition: int) -> int:
        """How many entries of a partition recoveries have brought so far, none of which this process has written and kept."""
        return self._restored[partition]

    def put(self, partition: int, key: bytes, value: bytes, rows: Iterable[Row] = ()) -> "asyncio.Future[Any]":
        """Write an entry; the future is done when the changelog has acknowledged it. Reads see the entry at once.

        `rows` are written with it, or neither is; the table's own module has a function that puts an entry with its rows.
        Raises EntryTooLarge before anything is written. The producer would refuse such an entry, and end the process again
        after every restart.
        """
        if len(key) + len(value) > MAX_RECORD_BYTES - 1024:
            raise EntryTooLarge(
                f"table {self.name}: an entry of {len(key) + len(value)} bytes is over the limit of {MAX_RECORD_BYTES - 1024}"
            )
        if rows:
            self._database(partition).write("write", ((key, value), *((PREFIX + name, told) for name, told in rows)))
        else:
            self._database(partition).put(key, value)
        return self._send(partition, key, value)

    def remove(self, partition: int, key: bytes) -> "asyncio.Future[Any]":
        """Delete an entry, with a tombstone in the changelog."""
        self._database(partition).delete(key)
        return self._send(partition, key, None)

    def find(self, partition: int, key: bytes) -> bytes | None:
        """Read an entry of one partition, acknowledged or not. None also where the partition is not here: it is not opened."""
        database = self._rocks._dbs.get(partition)
        return None if database is None else database.get(key)

    def entries(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All entries of one partition in key order."""
        yield from self._rocks._visible_items(self._database(partition))

    def keys_of(self, partition: int) -> Iterator[bytes]:
        """All keys of one partition in key order, without reading the values."""
        yield from self._rocks._visible_keys(self._database(partition))

    def row(self, partition: int, name: bytes) -> bytes | None:
        """The value of a row."""
        return self._database(partition).get(PREFIX + name)

    def row_values(self, partition: int, names: Iterable[bytes]) -> list[bytes | None]:
        """The values of several rows."""
        return self._database(partition).get_all([PREFIX + name for name in names])

    def rows(self, partition: int, begin: bytes, end: bytes) -> Iterator[Row]:
        """The rows from one name up to another, in order; no row where the partition is not here: it is not opened."""
        database = self._rocks._dbs.get(partition)
        return iter(()) if database is None else database.rows(begin, end)

    def rows_at(self, partition: int, kind: bytes, numbers: Sequence[int]) -> Iterator[Row]:
        """The rows of a kind whose names begin with one of these numbers, which are in order."""
        return self._database(partition).rows_at(kind, numbers)

    def last_row(self, partition: int, kind: bytes) -> Row | None:
        """The last row of a kind."""
        return self._database(partition).last_row(kind)

    def is_indexed(self, partition: int) -> bool:
        """Whether all entries have their rows. They have not where an earlier version of the worker has written them."""
        indexed: bool = self._rocks.is_indexed(partition)
        return indexed

    def index_anew(self, partition: int, at_once: int) -> Iterator[int]:
        """Make the rows of all entries; yields how many have theirs, each time after so many."""
        yield from self._rocks.index_anew(partition, at_once)

    def size_of(self, partition: int) -> int:
        """The number of entries of one partition."""
        return sum(1 for _ in self.keys_of(partition))

    def restored(self, partition: int) -> tuple[int, tuple[int, str] | None]:
        """How far the store holds its changelog: the offset after it, and the latest record in it (offset, digest)."""
        persisted = self._rocks.persisted_offset(TP(self.changelog_topic_name, partition))
        return 0 if persisted is None else persisted + 1, self._rocks.witness(partition)

    def stored_bytes(self) -> int:
        """What the partitions opened here take, as RocksDB counts it: its files, and what is in memory and not in them yet."""
        databases = [database for database in self._rocks._dbs.values() if database is not None]
        return sum(database.property_int_value(name) or 0 for database in databases for name in _SIZES)

    def _database(self, partition: int) -> Database:
        database: Database = self._rocks._db_for_partition(partition)
        return database

    def _send(self, partition: int, key: bytes, value: bytes | None) -> "asyncio.Future[Any]":
        sent = self.outbox.send(self.changelog_topic_name, value, key=key, partition=partition)
        sent.add_done_callback(lambda done: self._persisted(done, key, value))
        return sent

    def _persisted(self, sent: "asyncio.Future[Any]", key: bytes, value: bytes | None) -> None:
        """Move the offset kept in RocksDB, from which a recovery goes on, past an entry of ours (step 7).

        Only past one that follows that offset directly. Entries in between are another worker's, and not in our store: a worker
        that was put to sleep writes behind its successor's claim when it is woken, and a recovery that skipped that claim
        would have the job claimed and paid once more.

        An entry may be told of before the one ahead of it: where a batch holds records that had to wait for the producer and
        records that had not, the outbox tells of the latter first. It is kept for its turn. (Without that the offset never
        moved again, and the next rebalance read the whole changelog.)

        The store is written once for all that are acknowledged within 50 ms: written for each batch of them, it was 3 % of what
        a comparison costs. A kill before that makes a recovery read again what the store holds already.
        """
        if sent.cancelled() or sent.exception() is not None:
            return
        record = sent.result()
        database = self._rocks._dbs.get(record.partition)
        if database is None:
            return  # a partition that has moved away is closed and stays closed
        moved = self._moved.get(record.partition)
        if moved is not None and moved.database is not database:
            moved = None  # it has moved away and come back
        known = moved.offset if moved is not None else self._rocks.persisted_offset(TP(record.topic, record.partition))
        offset, follows, early = record.offset, 0 if known is None else known + 1, self._early[record.partition]
        if offset != follows:
            if offset > follows:  # it is told of before one that is ahead of it, or that one is not ours
                if len(early) >= _MOST_EARLY:
                    early.clear()  # they wait for an entry that is not ours
                early[offset] = digest(key, value)
            return
        told = ""
        while offset + 1 in early:
            offset += 1
            told = early.pop(offset)
        if moved is None:
            moved = self._moved[record.partition] = _Moved(database, known, offset, key, value, told)
            asyncio.get_running_loop().call_later(_KEEP_S, self._keep_moved, TP(record.topic, record.partition), moved)
        else:
            moved.offset, moved.key, moved.value, moved.told = offset, key, value, told

    def _keep_moved(self, place: TP, moved: _Moved) -> None:
        if self._moved.get(place.partition) is not moved:
            return
        del self._moved[place.partition]
        if self._rocks._dbs.get(place.partition) is not moved.database or self._rocks.persisted_offset(place) != moved.since:
            return  # meanwhile the partition has moved away, or Faust has restored it anew
        self._rocks.keep_position(place.partition, moved.offset, moved.told or digest(moved.key, moved.value))
