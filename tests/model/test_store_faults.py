"""A fault of a store is never a record's: no dead letter, no error event, nothing acknowledged; the worker stops."""

from collections.abc import Callable
from typing import Any

import pytest

from streams.wire import work
from tables import outcomes, requests
from tables.faults import StoreFailed, StoreFault, UnknownVersion, UnreadableEntry
from tests.model.log import PARTITION, Record
from tests.model.table import MemoryTable
from tests.model.worker import ModelWorker
from tests.model.world import Stopped, World


def letters(world: World) -> list[Record]:
    topics = (world.settings().request_topic, world.settings().work_topic)
    return [letter for topic in topics for letter in world.log.read(f"{topic}.DLQ")]


def damage(worker: ModelWorker, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every read of an entry of this table meets a damaged block; as if RocksDB's words had come through."""

    def find(self: MemoryTable, partition: int, key: bytes) -> bytes | None:
        if self.name == table:
            raise StoreFailed("read: Corruption: block checksum mismatch")
        return self._store.entries.get(key)

    monkeypatch.setattr(MemoryTable, "find", find)


async def test_collect(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await world.start()
    damage(worker, "rounds", monkeypatch)
    world.request("one", "two")
    with pytest.raises(Stopped, match="collect"):
        await worker.collect()
    assert (letters(world), worker.consumer.acked[world.settings().request_topic]) == ([], 0)


async def test_collect_of_a_record_read_before(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entry in `requests` is compared with it; a new record has none, and none is looked for."""
    first = await world.start()
    world.request("one", "two")
    await first.collect()
    again = await world.start(disk=await world.kill(first))
    damage(again, "requests", monkeypatch)
    with pytest.raises(Stopped, match="collect"):
        await again.collect()
    assert (letters(world), again.consumer.acked[world.settings().request_topic]) == ([], 0)


async def test_reconcile_of_a_plan(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await world.start()
    world.request("one", "two")
    await worker.collect()
    await worker.land()
    damage(worker, "jobs", monkeypatch)
    with pytest.raises(Stopped, match="reconcile"):
        await worker.reconcile()
    assert (letters(world), worker.consumer.acked[world.settings().work_topic]) == ([], 0)


@pytest.mark.parametrize("table", ["requests", "outcomes"])
async def test_reconcile_of_answers(world: World, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    """They are paid for: acknowledged as a dead letter they would be lost."""
    worker = await world.start()
    world.request("one", "two")
    await world.run(worker, seconds=10)
    damage(worker, table, monkeypatch)
    world.provider.end_batches()
    with pytest.raises(Stopped, match="reconcile"):
        await world.run(worker, seconds=600)
    monkeypatch.undo()
    acked = worker.consumer.acked[world.settings().work_topic]
    assert isinstance(world.work_records()[acked], work.Outcomes)  # it is the next one to be read again
    assert (letters(world), world.events()) == ([], {})


async def test_the_prompts_of_a_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The members end in no PROCESSING_ERROR."""
    worker = await world.start()
    world.request("one", "two")
    await worker.collect()
    await worker.land()
    damage(worker, "requests", monkeypatch)
    await world.run(worker, seconds=0)
    assert any("StoreFailed" in said for said in world.stopped)
    assert (letters(world), world.events()) == ([], {})


def newer(value: bytes) -> bytes:
    return b"\x7f" + value[1:]


def unreadable(value: bytes) -> bytes:
    return value[:-1]


@pytest.mark.parametrize(("change", "raised"), [(newer, UnknownVersion), (unreadable, UnreadableEntry)])
def test_an_entry_that_cannot_be_read_says_why(change: Callable[[bytes], bytes], raised: type[StoreFault]) -> None:
    value = outcomes.CODEC.encode(outcomes.Endings(3, ()))
    with pytest.raises(raised):
        outcomes.CODEC.decode(change(value))


async def test_a_request_of_a_newer_worker_is_not_taken_apart_by_an_older_one(world: World) -> None:
    worker = await world.start()
    world.request("one")
    await worker.collect()
    table: Any = worker._tables.requests
    key = requests.key(PARTITION, 0)
    table._store.entries[key] = newer(table._store.entries[key])
    with pytest.raises(UnknownVersion, match="run the newer worker again"):
        requests.find(table, PARTITION, 0)
