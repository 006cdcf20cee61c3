"""One partition's RocksDB, whose exceptions end the process (exit 70): see tables.store."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import rocksdict
import structlog

from streams import failstop
from tables.faults import StoreFailed, is_damage
from tables.index import PREFIX, Row, number

log = structlog.get_logger("store")
_OURS = (b"__faust\0", PREFIX + b"\xff")  # keys between these are no entries
_STEPS = 8  # to rows that are further away a scan seeks
R = TypeVar("R")


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

    def get_all(self, keys: "list[bytes]") -> "list[bytes | None]":
        """Read several entries."""
        try:
            found: list[bytes | None] = self._rocks.get(keys)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("read", error)
        return found

    def write(self, what: str, puts: Iterable[Row], deletes: Iterable[bytes] = ()) -> None:
        """Write all of it, or nothing where the process is killed."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in puts:
            batch.put(key, value)
        for key in deletes:
            batch.delete(key)
        try:
            self._rocks.write(batch)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(what, error)

    def property_int_value(self, name: str) -> int | None:
        """A number that RocksDB keeps about itself."""
        try:
            found: int | None = self._rocks.property_int_value(name)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("property", error)
        return found

    def items(self) -> Iterator[Row]:
        """All entries in key order."""
        yield from self._entries(lambda at: (at.key(), at.value()))

    def keys(self) -> Iterator[bytes]:
        """All keys of entries in order."""
        yield from self._entries(lambda at: at.key())

    def rows(self, begin: bytes, end: bytes) -> Iterator[Row]:
        """The rows from one name up to another, in order."""
        cut = len(PREFIX)
        yield from self._scan(lambda at: (at.key()[cut:], at.value()), PREFIX + begin, PREFIX + end)

    def rows_at(self, kind: bytes, numbers: Sequence[int]) -> Iterator[Row]:
        """The rows of a kind whose names begin with one of these numbers, which are in order."""
        cut = len(PREFIX)
        try:
            at = self._rocks.iter()
            for count, one in enumerate(numbers):
                wanted, steps = PREFIX + kind + number(one), 0 if count else _STEPS
                while steps < _STEPS and at.valid() and at.key() < wanted:
                    at.next()
                    steps += 1
                if steps == _STEPS:
                    at.seek(wanted)
                while at.valid() and at.key().startswith(wanted):
                    yield at.key()[cut:], at.value()
                    at.next()
                at.status()
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("scan", error)

    def last_row(self, kind: bytes) -> Row | None:
        """The last row of a kind."""
        try:
            at = self._rocks.iter()
            at.seek_for_prev(PREFIX + kind + b"\xff" * 9)
            found = (at.key()[len(PREFIX) :], at.value()) if at.valid() and at.key().startswith(PREFIX + kind) else None
            at.status()
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("scan", error)
        return found

    def _entries(self, take: Callable[[Any], R]) -> Iterator[R]:
        yield from self._scan(take, b"", _OURS[0])
        yield from self._scan(take, _OURS[1], b"\xff" * 9)

    def _scan(self, take: Callable[[Any], R], begin: bytes, end: bytes) -> Iterator[R]:
        """Iterate, and ask whether that was the end: rocksdict's own iterators stop in silence at a damaged block, too."""
        try:
            at = self._rocks.iter()
            at.seek(begin)
            while at.valid() and at.key() < end:
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
