"""A table in memory that keeps the contract of tables.acknowledged.AcknowledgedTable."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from streams.kafka.outbox import MAX_RECORD_BYTES
from tables import jobs, outcomes, rounds
from tables.acknowledged import EntryTooLarge
from tables.index import Derive, Row, number
from tests.model.log import PARTITION, Log, Store
from tests.model.outbox import MemoryOutbox

DERIVE: dict[str, Derive] = {rounds.NAME: rounds.derive, jobs.NAME: jobs.derive, outcomes.NAME: outcomes.derive}


class MemoryTable:
    """Reads see a write at once, its future is done when the changelog has it; on disk it stays either way."""

    def __init__(self, name: str, changelog: str, store: Store, outbox: MemoryOutbox, derive: Derive | None = None) -> None:
        self.name, self.changelog_topic_name = name, changelog
        self._store, self._outbox = store, outbox
        self.derive = derive
        self._restored = 0

    def entries_restored(self, partition: int) -> int:
        """How many entries recoveries have brought."""
        return self._restored

    def recover(self, log: Log) -> None:
        """Restore the local store from the changelog, as at assignment; what is on disk and not in there stays."""
        for record in log.read(self.changelog_topic_name, self._store.recovered):
            self._restore(record.key or b"", record.value)
            self._restored += 1
        self._store.recovered = log.end(self.changelog_topic_name)

    def put(self, partition: int, key: bytes, value: bytes, rows: Iterable[Row] = ()) -> "asyncio.Future[Any]":
        """Write an entry with its rows."""
        if len(key) + len(value) > MAX_RECORD_BYTES - 1024:
            raise EntryTooLarge(f"table {self.name}: an entry of {len(key) + len(value)} bytes")
        self._store.rows.update(rows)
        return self._write(partition, key, value)

    def remove(self, partition: int, key: bytes) -> "asyncio.Future[Any]":
        """Delete an entry, with a tombstone in the changelog."""
        return self._write(partition, key, None)

    def find(self, partition: int, key: bytes) -> bytes | None:
        """Read an entry."""
        return self._store.entries.get(key) if partition == PARTITION else None

    def entries(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All entries in key order."""
        yield from sorted(self._store.entries.items()) if partition == PARTITION else ()

    def keys_of(self, partition: int) -> Iterator[bytes]:
        """All keys in order."""
        yield from (key for key, _ in self.entries(partition))

    def row(self, partition: int, name: bytes) -> bytes | None:
        """The value of a row."""
        return self._store.rows.get(name)

    def row_values(self, partition: int, names: Iterable[bytes]) -> list[bytes | None]:
        """The values of several rows."""
        return [self._store.rows.get(name) for name in names]

    def rows(self, partition: int, begin: bytes, end: bytes) -> Iterator[Row]:
        """The rows from one name up to another, in order."""
        return iter(sorted((name, told) for name, told in self._store.rows.items() if begin <= name < end))

    def rows_at(self, partition: int, kind: bytes, numbers: Sequence[int]) -> Iterator[Row]:
        """The rows of a kind whose names begin with one of these numbers."""
        wanted = {kind + number(one) for one in numbers}
        return iter(sorted((name, told) for name, told in self._store.rows.items() if name[:9] in wanted))

    def last_row(self, partition: int, kind: bytes) -> Row | None:
        """The last row of a kind."""
        return max(((name, told) for name, told in self._store.rows.items() if name[:1] == kind), default=None)

    def is_indexed(self, partition: int) -> bool:
        """Whether all entries have their rows."""
        return self._store.indexed

    def index_anew(self, partition: int, at_once: int) -> Iterator[int]:
        """Make the rows of all entries; a process may be killed at a yield."""
        self._store.rows.clear()
        for count, (key, value) in enumerate(sorted(self._store.entries.items()), 1):
            self._derive_rows(key, value, None)
            yield count
        self._store.indexed = True

    def _derive_rows(self, key: bytes, value: bytes, before: bytes | None) -> None:
        if self.derive is not None:
            self._store.rows.update(list(self.derive(key, value, before, self._store.rows.get)))

    def _restore(self, key: bytes, value: bytes | None) -> None:
        before = self._store.entries.get(key)
        if value is not None and value != before and self._store.indexed:
            self._derive_rows(key, value, before)
        self._apply(key, value)

    def size_of(self, partition: int) -> int:
        """The number of entries."""
        return sum(1 for _ in self.keys_of(partition))

    def restored(self, partition: int) -> tuple[int, tuple[int, str] | None]:
        """How far the changelog is in the store; the model's are never made again."""
        return self._store.recovered, None

    def _apply(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._store.entries.pop(key, None)
        else:
            self._store.entries[key] = value

    def _write(self, partition: int, key: bytes, value: bytes | None) -> "asyncio.Future[Any]":
        if partition != PARTITION:
            raise ValueError(f"the model has no partition {partition}")
        self._apply(key, value)
        sent = self._outbox.send(self.changelog_topic_name, value, key=key, partition=partition)
        sent.add_done_callback(self._persisted)
        return sent

    def _persisted(self, sent: "asyncio.Future[Any]") -> None:
        # Between it and an entry further on are entries of another worker, which are still to be restored here.
        if not sent.cancelled() and sent.result().offset == self._store.recovered:
            self._store.recovered += 1
