"""Damage in a store stops the worker, and the next start makes that store anew; nothing else is wiped, nothing passed over."""

import gc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from settings.settings import Settings
from streams import failstop
from streams.kafka.app import make_app
from tables.acknowledged import AcknowledgedTable
from tables.database import marker
from tables.declared import declare
from tables.faults import StoreFailed, is_damage, is_locked, is_unopenable
from tables.store import digest
from tests.harness.damage import flip_a_block, newest_manifest, sst_files
from tests.model.log import Log, ModelClock
from tests.model.outbox import MemoryOutbox

ENTRIES = 300
CHANGELOG = TP("roundbatch-requests-changelog", 0)


class Stopped(BaseException):
    """What the process ends with, in its place."""


@pytest.fixture(autouse=True)
def stops(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, BaseException]]:
    seen: list[tuple[str, BaseException]] = []

    def stop(where: str, error: BaseException, at: object = None) -> None:
        assert at is None, "a record is blamed for the store"
        seen.append((where, error))
        raise Stopped(where)

    monkeypatch.setattr(failstop, "stop", stop)
    return seen


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], AcknowledgedTable]:
    """A process that opens the table `requests`."""

    def started() -> AcknowledgedTable:
        gc.collect()  # a store is closed when the last handle of it is collected
        outbox: Any = MemoryOutbox(Log(ModelClock()))
        settings = Settings(state_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
        return declare(make_app(settings), settings, outbox).requests

    return started


@pytest.fixture
async def stores(start: Callable[[], AcknowledgedTable]) -> list[Path]:
    """The folders of partitions 0 and 1, both written to disk."""
    table = start()
    for partition in (0, 1):
        for number in range(ENTRIES):
            table.put(partition, f"{partition}/{number:05}".encode(), bytes(2_000))
        table._rocks.set_persisted_offset(TP(CHANGELOG.topic, partition), ENTRIES - 1)
        table._database(partition)._rocks.flush()
    found = [table._rocks.partition_path(partition) for partition in (0, 1)]
    await table._rocks.stop()
    return found


READS: dict[str, Callable[[AcknowledgedTable], object]] = {
    "find": lambda table: table.find(0, b"0/00000"),
    "entries": lambda table: list(table.entries(0)),
    "keys": lambda table: list(table.keys_of(0)),
    "size": lambda table: table.size_of(0),
}


@pytest.mark.parametrize("read", READS)
async def test_a_damaged_block_stops_the_worker_and_is_restored_at_the_next_start(
    start: Callable[[], AcknowledgedTable], stores: list[Path], stops: list[tuple[str, BaseException]], read: str
) -> None:
    """rocksdict's own iterators end at the block without a word, and the view would lack jobs that are being paid for."""
    flip_a_block(stores[0])
    table = start()
    assert table.persisted_offset(CHANGELOG) == ENTRIES - 1
    with pytest.raises(Stopped, match=r"store requests-0\.db"):
        READS[read](table)
    error = stops[0][1]
    assert isinstance(error, StoreFailed)
    assert "checksum mismatch" in str(error)
    assert marker(stores[0]).exists()
    del table

    again = start()
    assert again.persisted_offset(CHANGELOG) is None  # Faust restores it from the changelog's first record on
    assert again.size_of(0) == 0
    assert again.size_of(1) == ENTRIES  # that store alone
    assert not marker(stores[0]).exists()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "CURRENT is empty": lambda store: (store / "CURRENT").write_bytes(b""),
    "CURRENT is gone": lambda store: (store / "CURRENT").unlink(),
    "the manifest is empty": lambda store: newest_manifest(store).write_bytes(b""),
    "the manifest is cut": lambda store: newest_manifest(store).write_bytes(newest_manifest(store).read_bytes()[:100]),
    "the manifest is gone": lambda store: newest_manifest(store).unlink(),
    "a file is gone": lambda store: sst_files(store)[0].unlink(),
    "a file is cut": lambda store: sst_files(store)[0].write_bytes(sst_files(store)[0].read_bytes()[:500]),
    "a file's end is damaged": lambda store: flip_a_block(store, at=-40, size=40),
    "all files are empty": lambda store: [file.write_bytes(b"") for file in store.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_store_that_does_not_open_is_made_anew_at_once(
    start: Callable[[], AcknowledgedTable], stores: list[Path], stops: list[tuple[str, BaseException]], damage: str
) -> None:
    DAMAGES[damage](stores[0])
    table = start()
    # "CURRENT is gone" is a new store to RocksDB where no log file of its is left: as empty, and as well restored.
    assert (table.persisted_offset(CHANGELOG), table.size_of(0)) == (None, 0)
    table.put(0, b"0/new", b"1")
    assert (table.find(0, b"0/new"), table.size_of(1), stops) == (b"1", ENTRIES, [])


async def test_a_store_that_somebody_holds_is_not_wiped(start: Callable[[], AcknowledgedTable], stores: list[Path]) -> None:
    holder = start()
    assert holder.size_of(0) == ENTRIES
    with pytest.raises(Exception, match="lock") as refused:
        start().size_of(0)
    assert is_locked(str(refused.value))
    assert holder.size_of(0) == ENTRIES
    assert not marker(stores[0]).exists()


@pytest.mark.parametrize(
    "said",
    [
        "IO error: While lock file: /state/faust/x.db/LOCK: Resource temporarily unavailable",
        "IO error: No space left on device: While appending to file: /state/x.db/000031.log: No space left on device",
        "IO error: While appending to file: /state/x.db/000030.log: File too large",
        "IO error: While open a file for random read: /state/x.db/000009.sst: Permission denied",
        "Corruption: IO error: While open a file: x.sst: Too many open files  The file MANIFEST-000028 may be corrupted.",
        "IO error: While open a file for appending: /state/x.db/000009.log: Read-only file system",
    ],
)
def test_what_is_in_the_way_is_no_damage(said: str) -> None:
    assert (is_damage(said), is_unopenable(said)) == (False, False)


async def test_a_write_that_is_refused_for_another_reason_stops_and_marks_nothing(
    start: Callable[[], AcknowledgedTable], stores: list[Path], stops: list[tuple[str, BaseException]]
) -> None:
    class Full:
        def put(self, key: bytes, value: bytes) -> None:
            raise Exception("IO error: No space left on device: While appending to file: x.log: No space left on device")

    table = start()
    table._database(0)._rocks = Full()
    with pytest.raises(Stopped):
        table.put(0, b"0/a", b"1")
    assert "No space left" in str(stops[0][1])
    assert not marker(stores[0]).exists()


async def test_a_store_remembers_which_changelog_it_is_of(start: Callable[[], AcknowledgedTable], stores: list[Path]) -> None:
    table = start()
    assert table.restored(0) == (ENTRIES, None)  # as an older version has left it
    again: Any = SimpleNamespace(key=b"0/new", value=b"1", partition=0, tp=CHANGELOG, offset=ENTRIES)
    table._rocks.apply_changelog_batch([SimpleNamespace(message=again)], None, None)
    assert table.restored(0) == (ENTRIES + 1, (ENTRIES, digest(b"0/new", b"1")))
    assert table.size_of(0) == ENTRIES + 1  # it is no entry
