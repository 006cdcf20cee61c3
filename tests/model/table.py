"""A table in memory that keeps the contract of tables.acknowledged.AcknowledgedTable."""

import asyncio
from collections.abc import Iterator
from typing import Any

from streams.kafka.outbox import MAX_RECORD_BYTES
from tables.acknowledged import EntryTooLarge
from tests.model.log import PARTITION, Log, Store
from tests.model.outbox import MemoryOutbox


class MemoryTable:
    """Reads see a write at once, its future is done when the changelog has it; on disk it stays either way."""

    def __init__(self, name: str, changelog: str, store: Store, outbox: MemoryOutbox) -> None:
        self.name, self.changelog_topic_name = name, changelog
        self._store, self._outbox = store, outbox

    def recover(self, log: Log) -> None:
        """Restore the local store from the changelog, as at assignment; what is on disk and not in there stays."""
        for record in log.read(self.changelog_topic_name, self._store.recovered):
            self._apply(record.key or b"", record.value)
        self._store.recovered = log.end(self.changelog_topic_name)

    def put(self, partition: int, key: bytes, value: bytes) -> "asyncio.Future[Any]":
        """Write an entry."""
        if len(key) + len(value) > MAX_RECORD_BYTES - 1024:
            raise EntryTooLarge(f"table {self.name}: an entry of {len(key) + len(value)} bytes")
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
