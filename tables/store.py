"""Faust's RocksDB store, out of which no exception of RocksDB comes.

Faust's recovery would log such an exception and go on without the entry, and a handler of ours would take it for a fault of its
record. So an error of RocksDB ends the process right there (tables.database). Where files are damaged, the store is marked
first, and the next start makes this one store (of a table and partition) anew: it is a cache of its changelog. Faust restores
all of it from there, since the offset from which a recovery goes on is kept inside the store, and is gone with it.

A store with an index holds rows beside its entries (tables.index). Only a worker that knows of them keeps them up, so the store
remembers at which offset of the changelog they were whole: after an older worker has moved that on, they are made anew.
"""

import gc
import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from faust.stores import rocksdb

from streams import failstop
from tables.database import Database, marker, stop
from tables.faults import StoreFault, is_locked, is_unopenable
from tables.index import PREFIX, Derive, Row
from tables.rocks import open_rocks

log = structlog.get_logger("store")
_WITNESS = PREFIX + b"witness"
# Up to which changelog offset the rows are whole. Stores that may have lost rows (tables.rocks) have another name for it.
WHOLE = PREFIX + b"whole_2"


def digest(key: bytes | None, value: bytes | None) -> str:
    """Tells a record from another at the same offset. (Timestamps do not: aiokafka gives all of a batch the first one.)"""
    return hashlib.blake2b(b"%d " % len(key or b"") + (key or b"") + (value or b""), digest_size=8).hexdigest()


class Restored:
    """What is about to be written of entries that are read again: later ones see it, and it is written in one batch."""

    def __init__(self, database: Database, derive: Derive | None) -> None:
        self._database, self._derive = database, derive
        self._puts: dict[bytes, bytes | None] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """An entry of the changelog, or a tombstone, with the rows that follow from it."""
        before = self._get(key)
        if value is not None and value != before and self._derive is not None:
            self._add_rows(key, value, before)
        self._puts[key] = value

    def take_rows(self, key: bytes, value: bytes) -> None:
        """An entry that is in the store and has no rows."""
        if self._derive is not None:
            self._add_rows(key, value, None)

    def write(self, *more: Row) -> None:
        """Write all of it, and these."""
        puts = [(key, value) for key, value in self._puts.items() if value is not None]
        self._database.write("restore", [*puts, *more], [key for key, value in self._puts.items() if value is None])

    def _add_rows(self, key: bytes, value: bytes, before: bytes | None) -> None:
        assert self._derive is not None
        for name, told in self._derive(key, value, before, lambda name: self._get(PREFIX + name)):
            self._puts[PREFIX + name] = told

    def _get(self, key: bytes) -> bytes | None:
        return self._puts[key] if key in self._puts else self._database.get(key)


class GuardedStore(rocksdb.Store):
    """Opens every partition as a Database, through which Faust's own reads and writes go too."""

    @property
    def _derive(self) -> Derive | None:
        table: Any = self.table
        derive: Derive | None = table.derive
        return derive

    def revoke_partitions(self, table: Any, tps: "set[Any]") -> None:
        """Faust's own without a garbage collection, of which it has one for each table: 0.7 s for all with 200,000 pending.

        It is to close handles that are in cycles of references. Where one is, opening the partition again collects it.
        """
        for tp in tps:
            if tp.topic in table.changelog_topic.topics:
                self._dbs.pop(tp.partition, None)

    def _open_for_partition(self, partition: int) -> Any:
        database = self._open_or_make(partition)
        if self._derive is not None and database.get(WHOLE) is None and next(database.keys(), None) is None:
            database.put(WHOLE, database.get(self.offset_key) or b"")  # no entry, so no row is missing
        return database

    def _open_or_make(self, partition: int) -> Database:
        path = self.partition_path(partition)
        if marker(path).exists():
            self._make_anew(path, marker(path).read_text().strip())
        try:
            return self._open(path)
        except Exception as error:
            if is_locked(str(error)):
                gc.collect()  # the handle of an earlier assignment may be waiting for it to be closed
                raise  # Faust tries again
            if not is_unopenable(str(error)):
                stop("open", path, error)
            self._make_anew(path, str(error))
        try:
            return self._open(path)
        except Exception as error:  # noqa: BLE001 - as above
            stop("open", path, error)

    def _open(self, path: Path) -> Database:
        return Database(open_rocks(self.rocksdb_options, path), path)

    def _make_anew(self, path: Path, said: str) -> None:
        log.warning("store_wiped", path=str(path), said=said, then="it is restored from its changelog")
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            marker(path).unlink(missing_ok=True)  # last: after a kill before this the wiping begins again
        except OSError as error:
            stop("wipe", path, error)

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:
        """Write what Faust has read from the changelog, and in the same batch all that follows from it.

        That is the rows of the index, the offset from which a recovery goes on, and the latest record as the witness, which
        tells this changelog from another of its name.
        """
        messages: defaultdict[int, list[Any]] = defaultdict(list)
        table: Any = self.table
        for event in batch:
            if event.message.tp.topic == table.changelog_topic_name:  # Faust may give others, of a partition that has gone
                messages[event.message.partition].append(event.message)
        for partition, of_partition in messages.items():
            database: Database = self._db_for_partition(partition)
            restored = Restored(database, self._derive if self._is_indexed(database) else None)
            with self._entries_readable(partition):
                for message in of_partition:
                    restored.take(message.key, message.value)
            latest = of_partition[-1]
            restored.write(*self._position(database, latest.offset, digest(latest.key, latest.value)))

    def keep_position(self, partition: int, offset: int, told: str) -> None:
        """Remember up to which record of the changelog the store holds it, and that record's digest."""
        database: Database = self._db_for_partition(partition)
        database.write("write", self._position(database, offset, told))

    def _position(self, database: Database, offset: int, told: str) -> list[Row]:
        position = str(offset).encode()
        rows = [(self.offset_key, position), (_WITNESS, f"{offset} {told}".encode())]
        if self._is_indexed(database):
            rows.append((WHOLE, position))
        return rows

    def is_indexed(self, partition: int) -> bool:
        """Whether the rows of all entries are there."""
        return self._is_indexed(self._db_for_partition(partition))

    def _is_indexed(self, database: Database) -> bool:
        if self._derive is None:
            return True
        whole, position = database.get_all([WHOLE, self.offset_key])
        return whole is not None and whole == (position or b"")

    def index_anew(self, partition: int, at_once: int) -> Iterator[int]:
        """Make the rows of all entries; yields how many have theirs, each time after so many.

        Sums are rows too, so what a killed attempt has left is deleted first.
        """
        database: Database = self._db_for_partition(partition)
        database.delete(WHOLE)
        for name, _ in database.rows(b"", b"\xff"):
            if PREFIX + name != _WITNESS:
                database.delete(PREFIX + name)
        restored, count = Restored(database, self._derive), 0
        for count, (key, value) in enumerate(database.items(), 1):
            with self._entries_readable(partition):
                restored.take_rows(key, value)
            if not count % at_once:
                restored.write()
                yield count
                restored = Restored(database, self._derive)
        restored.write((WHOLE, database.get(self.offset_key) or b""))
        yield count

    @contextmanager
    def _entries_readable(self, partition: int) -> Iterator[None]:
        """An entry that this worker cannot read stops it: Faust would log the exception and go on without the entry."""
        try:
            yield
        except StoreFault as error:
            failstop.stop(f"store {self.partition_path(partition).name}", error)

    def witness(self, partition: int) -> tuple[int, str] | None:
        """Offset and digest of that record; None in a store that is empty or was written by an older version."""
        found = self._db_for_partition(partition).get(_WITNESS)
        if found is None:
            return None
        offset, told = found.decode().split()
        return int(offset), told

    def _visible_items(self, db: Any) -> Iterator[Row]:
        yield from db.items()

    def _visible_keys(self, db: Any) -> Iterator[bytes]:
        yield from db.keys()
