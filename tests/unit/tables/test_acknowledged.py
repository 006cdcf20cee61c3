"""The contract of the acknowledged table, kept by the real one on RocksDB and by its double in memory."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import RecordMetadata
from faust.types import TP

from settings.settings import Settings
from streams.kafka.app import make_app
from streams.kafka.outbox import MAX_RECORD_BYTES
from tables.acknowledged import AcknowledgedTable, EntryTooLarge
from tables.declared import declare
from tables.store import digest
from tests.model.log import Log, ModelClock, Store
from tests.model.outbox import MemoryOutbox
from tests.model.table import MemoryTable

CHANGELOG = "roundbatch-jobs-changelog"
Table = MemoryTable | AcknowledgedTable


@pytest.fixture
def log() -> Log:
    return Log(ModelClock())


@pytest.fixture
def outbox(log: Log) -> MemoryOutbox:
    return MemoryOutbox(log)


@pytest.fixture(params=["memory", "rocksdb"])
async def table(request: pytest.FixtureRequest, outbox: MemoryOutbox, tmp_path: Path) -> Table:
    if request.param == "memory":
        return MemoryTable("jobs", CHANGELOG, Store(), outbox)
    settings = Settings(state_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    real: Any = outbox
    return declare(make_app(settings), settings, real).jobs


async def land(outbox: MemoryOutbox) -> None:
    outbox.land()
    await asyncio.sleep(0)  # the callbacks of what has landed


async def test_a_write_is_read_at_once_and_acknowledged_later(table: Table, outbox: MemoryOutbox, log: Log) -> None:
    written = table.put(0, b"0/a", b"1")
    assert (table.find(0, b"0/a"), written.done(), log.read(CHANGELOG)) == (b"1", False, [])
    await land(outbox)
    (record,) = log.read(CHANGELOG)
    assert (record.key, record.value, record.partition) == (b"0/a", b"1", 0)
    assert (written.result().topic, written.result().offset) == (CHANGELOG, 0)


async def test_a_write_may_be_overwritten(table: Table, outbox: MemoryOutbox, log: Log) -> None:
    table.put(0, b"0/a", b"1")
    table.put(0, b"0/a", b"2")
    await land(outbox)
    assert table.find(0, b"0/a") == b"2"
    assert [record.value for record in log.read(CHANGELOG)] == [b"1", b"2"]


async def test_what_is_removed_is_gone_and_leaves_a_tombstone(table: Table, outbox: MemoryOutbox, log: Log) -> None:
    table.put(0, b"0/a", b"1")
    removed = table.remove(0, b"0/a")
    table.remove(0, b"0/never there")
    assert table.find(0, b"0/a") is None
    await land(outbox)
    assert removed.done()
    assert [record.value for record in log.read(CHANGELOG)] == [b"1", None, None]


async def test_entries_and_keys_come_in_key_order(table: Table) -> None:
    for key in (b"0/b", b"0/a", b"0/c"):
        table.put(0, key, key[2:])
    assert list(table.entries(0)) == [(b"0/a", b"a"), (b"0/b", b"b"), (b"0/c", b"c")]
    assert list(table.keys_of(0)) == [b"0/a", b"0/b", b"0/c"]
    assert table.size_of(0) == 3


async def test_an_empty_table(table: Table) -> None:
    assert (table.find(0, b"0/a"), list(table.entries(0)), table.size_of(0)) == (None, [], 0)


async def test_an_entry_over_the_limit_is_refused_before_anything_is_written(table: Table, outbox: MemoryOutbox) -> None:
    largest = MAX_RECORD_BYTES - 1024 - len(b"0/a")
    with pytest.raises(EntryTooLarge):
        table.put(0, b"0/a", bytes(largest + 1))
    assert (table.find(0, b"0/a"), outbox.flying()) == (None, [])
    table.put(0, b"0/a", bytes(largest))


async def restored_to(table: Table) -> int:
    """The changelog offset from which recovery would go on, once the table has written down what it knows of it."""
    if isinstance(table, MemoryTable):
        return table._store.recovered
    while table._moved:  # noqa: ASYNC110 -- no event tells it
        await asyncio.sleep(0.005)
    persisted: int | None = table._rocks.persisted_offset(TP(CHANGELOG, 0))
    return 0 if persisted is None else persisted + 1


def acknowledged(sent: "asyncio.Future[Any]", offset: int) -> None:
    sent.set_result(RecordMetadata(CHANGELOG, 0, TP(CHANGELOG, 0), offset, 0, 1, 0))


async def test_recovery_goes_on_before_the_first_entry_of_another_worker(table: Table, outbox: MemoryOutbox, log: Log) -> None:
    table.put(0, b"0/a", b"1")
    table.put(0, b"0/b", b"1")
    await land(outbox)
    assert await restored_to(table) == 2
    log.append(CHANGELOG, b"theirs", b"0/claim")
    table.put(0, b"0/late", b"1")
    await land(outbox)
    assert (log.end(CHANGELOG), await restored_to(table)) == (4, 2)


@pytest.mark.parametrize("order", [(1, 0, 3, 2), (*range(1, 1_000), 0)], ids=["a few", "those of a whole batch"])
@pytest.mark.parametrize("table", ["rocksdb"], indirect=True)
async def test_recovery_goes_on_behind_entries_that_were_acknowledged_out_of_order(
    table: AcknowledgedTable, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]
) -> None:
    """Of one batch, the outbox tells of records that had to wait for the producer after those that had not."""
    n, sent = len(order), list[asyncio.Future[Any]]()

    def send(*_: Any, **__: Any) -> "asyncio.Future[Any]":
        sent.append(asyncio.get_running_loop().create_future())
        return sent[-1]

    monkeypatch.setattr(table, "outbox", SimpleNamespace(send=send))
    for offset in range(n):
        table.put(0, b"0/%d" % offset, b"%d" % offset)
    for offset in order:
        acknowledged(sent[offset], offset)
        await asyncio.sleep(0)
    assert await restored_to(table) == n
    assert table.restored(0) == (n, (n - 1, digest(b"0/%d" % (n - 1), b"%d" % (n - 1))))


@pytest.mark.parametrize("table", ["rocksdb"], indirect=True)
async def test_partitions_of_the_real_one_are_apart(table: Table, outbox: MemoryOutbox) -> None:
    """Faust's own delete reaches into whichever partition touched the key last."""
    table.put(0, b"same", b"0")
    table.put(1, b"same", b"1")
    table.remove(0, b"same")
    assert (table.find(0, b"same"), table.find(1, b"same")) == (None, b"1")
    assert (list(table.keys_of(0)), list(table.keys_of(1))) == ([], [b"same"])


async def test_the_double_restores_what_it_lacks_and_keeps_what_is_ahead(log: Log, outbox: MemoryOutbox) -> None:
    """What RocksDB does at assignment: uncommitted writes stay on disk, the rest comes from the changelog."""
    store = Store()
    ours, theirs = MemoryTable("jobs", CHANGELOG, store, outbox), MemoryTable("jobs", CHANGELOG, Store(), outbox)
    theirs.put(0, b"0/a", b"1")
    theirs.put(0, b"0/b", b"1")
    theirs.remove(0, b"0/b")
    await land(outbox)
    ours.put(0, b"0/ahead", b"1")
    outbox.lose()
    ours.recover(log)
    assert list(ours.keys_of(0)) == [b"0/a", b"0/ahead"]
    assert store.recovered == 3


async def test_sends_keep_their_order_within_a_topic_only(log: Log, outbox: MemoryOutbox) -> None:
    sent = [outbox.send(topic, value) for topic, value in (("x", b"1"), ("y", b"1"), ("x", b"2"))]
    assert outbox.land(lambda topic: topic == "x", most=1) == 1
    assert [done.done() for done in sent] == [True, False, False]
    outbox.deaf = True
    outbox.land()
    assert [done.done() for done in sent] == [True, False, False]
    assert [record.value for topic in "xy" for record in log.read(topic)] == [b"1", b"2", b"1"]
