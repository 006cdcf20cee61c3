"""Faust's RocksDB store, out of which no exception of RocksDB comes.

Faust's recovery would log such an exception and go on without the entry, and a handler of ours would take it for a fault of its
record. So an error of RocksDB ends the process right here (exit 70). Where files are damaged, the store is marked first, and
the next start makes this one store (of a table and partition) anew: it is a cache of its changelog. Faust restores all of it
from there, since the offset from which a recovery goes on is kept inside the store, and is gone with it.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import structlog
from faust.stores import rocksdb

from streams import failstop
from tables.faults import StoreFailed, is_damage, is_locked, is_unopenable

log = structlog.get_logger("store")
_WITNESS = b"__roundbatch\0witness"
R = TypeVar("R")


def digest(key: bytes | None, value: bytes | None) -> str:
    """Tells a record from another at the same offset. (Timestamps do not: aiokafka gives all of a batch the first one.)"""
    return hashlib.blake2b(b"%d " % len(key or b"") + (key or b"") + (value or b""), digest_size=8).hexdigest()


class Database:
    """One partition's RocksDB."""

    def __init__(self, rocks: Any, path: Path) -> None:
        self._rocks, self._path = rocks, path

    def get(self, key: bytes) -> bytes | None:
        """Read an entry."""
        try:
            found: bytes | None = self._rocks.get(key)
        except Exception as error:  # noqa: BLE001 - RocksDB has no exceptions of its own
            self._failed("read", error)
        return found

    def put(self, key: bytes, value: bytes) -> None:
        """Write an entry."""
        try:
            self._rocks.put(key, value)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("write", error)

    def delete(self, key: bytes) -> None:
        """Delete an entry."""
        try:
            self._rocks.delete(key)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("delete", error)

    def write(self, batch: Any) -> None:
        """Write what Faust has read from the changelog."""
        try:
            self._rocks.write(batch)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("restore", error)

    def property_int_value(self, name: str) -> int | None:
        """A number that RocksDB keeps about itself."""
        try:
            found: int | None = self._rocks.property_int_value(name)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("property", error)
        return found

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All entries in key order."""
        yield from self._scan(lambda at: (at.key(), at.value()))

    def keys(self) -> Iterator[bytes]:
        """All keys in order."""
        yield from self._scan(lambda at: at.key())

    def _scan(self, take: Callable[[Any], R]) -> Iterator[R]:
        """Iterate, and ask at the end whether that was the end.

        rocksdict's own iterators stop at a damaged block as if it were the end (seen: 0 of 300 entries, and no error).
        """
        try:
            at = self._rocks.iter()
            at.seek_to_first()
            while at.valid():
                yield take(at)  # exceptions of the code that uses the entries are not raised here
                at.next()
            at.status()
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("scan", error)

    def _failed(self, what: str, error: Exception) -> NoReturn:
        if is_damage(str(error)):
            mark(self._path, str(error))
        stop(what, self._path, error)


def marker(path: Path) -> Path:
    """The file beside a partition's folder whose existence says that the store is damaged."""
    return path.with_name(f"{path.name}.damaged")


def mark(path: Path, said: str) -> None:
    """Have the next start make this store anew. Never raises: the disk itself may be the reason, and the exit must follow."""
    log.error("store_damaged", path=str(path), said=said, then="at the next start it is restored from its changelog")
    try:
        marker(path).write_text(said + "\n")
    except OSError as error:
        log.error("store_not_marked", path=str(path), error=repr(error), remedy=f"delete {path}, then start the worker")


def stop(what: str, path: Path, error: Exception) -> NoReturn:
    """End the process. No record is named in the log, for none is to blame."""
    failstop.stop(f"store {path.name}", StoreFailed(f"{what} {path}: {error}"))


class GuardedStore(rocksdb.Store):
    """Opens every partition as a Database, through which Faust's own reads and writes go too."""

    def _open_for_partition(self, partition: int) -> Any:
        path = self.partition_path(partition)
        if marker(path).exists():
            self._make_anew(path, marker(path).read_text().strip())
        try:
            return self._open(path)
        except Exception as error:
            if is_locked(str(error)):
                raise  # Faust tries again: the handle of an earlier assignment is closed when it is garbage collected
            if not is_unopenable(str(error)):
                stop("open", path, error)
            self._make_anew(path, str(error))
        try:
            return self._open(path)
        except Exception as error:  # noqa: BLE001 - as above
            stop("open", path, error)

    def _open(self, path: Path) -> Database:
        return Database(self.rocksdb_options.open(path, read_only=False), path)

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
        """Faust's own; then the latest record is kept as the witness, which tells this changelog from another of its name."""
        events = list(batch)
        super().apply_changelog_batch(events, to_key, to_value)
        latest = {event.message.partition: event.message for event in events}
        for partition, message in latest.items():
            self.set_witness(partition, message.offset, digest(message.key, message.value))

    def set_witness(self, partition: int, offset: int, digest: str) -> None:
        """Remember the latest record of the changelog that is in here."""
        self._db_for_partition(partition).put(_WITNESS, f"{offset} {digest}".encode())

    def witness(self, partition: int) -> tuple[int, str] | None:
        """Offset and digest of that record; None in a store that is empty or was written by an older version."""
        found = self._db_for_partition(partition).get(_WITNESS)
        if found is None:
            return None
        offset, told = found.decode().split()
        return int(offset), told

    def _visible_items(self, db: Any) -> Iterator[tuple[bytes, bytes]]:
        return ((key, value) for key, value in db.items() if key not in self._hidden)

    def _visible_keys(self, db: Any) -> Iterator[bytes]:
        return (key for key in db.keys() if key not in self._hidden)  # noqa: SIM118 - no dict

    _hidden = frozenset({rocksdb.Store.offset_key, _WITNESS})
