"""Interleavings of a worker that does not hold what is done, numbered on from the others, and what breaks them.

Each play is named by the promise that would be broken; with a fault planted in the rows beside the entries it is.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from streams.wire import work
from tables import outcomes
from tables.index import Row
from tests.model.begun import claiming
from tests.model.log import PARTITION
from tests.model.table import MemoryTable
from tests.model.world import CALLBACK, BrokenPromise, World

Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("store", ["kept", "wiped", "old"])
async def test_20_an_id_is_forgotten_when_its_row_is_lost(world: World, store: str) -> None:
    """Ids are not held in memory: a request that is sent once more after a kill is looked up beside the entries on disk."""
    a = await world.start()
    world.request("m0", "m1")
    await a.collect()
    await a.land("changelog")
    world.commit(a)
    disk = await world.kill(a)
    if store == "old":
        for table in disk.values():
            table.rows.clear()
            table.indexed = False
    b = await world.start(None if store == "wiped" else disk)
    world.request("m0", "m1")
    await world.finish(b)
    world.check()
    world.need(len(world.log.read(CALLBACK)) == 2, "a comparison was paid twice: its id was forgotten")


async def test_21_a_job_is_planned_again_when_its_row_is_lost(world: World) -> None:
    a = await claiming(world, "m0", "m1")
    await world.run(a, seconds=5)
    world.commit(a)
    assert len(world.provider.batches) == 1
    await world.finish(await world.start(await world.kill(a)))
    world.check()
    assert len(world.provider.batches) == 1


async def test_22_a_member_is_asked_again_when_the_row_of_its_ending_is_lost(world: World) -> None:
    """One of a record's two members has ended, and the record is still open."""
    world.provider.endings["m1"].append("expired")
    a = await claiming(world, "m0", "m1")
    await world.run(a, seconds=5)
    world.provider.end_batches()
    while "m0" not in world.events():
        world.clock.advance(5)
        await world.turn(a)
    assert set(world.events()) == {"m0"}
    world.commit(a)
    await world.finish(await world.start(await world.kill(a)))
    world.check()


async def test_23_a_job_is_planned_otherwise_when_its_members_are_gone(world: World) -> None:
    """A JobEnded is read again after one of its members has been answered, and its request deleted; the other one is open."""
    world.provider.refused.add("bad")
    a = await world.start()
    for name in ("good", "bad"):
        world.request(name, announced=2)
    await world.run(a, seconds=20)
    topic = world.settings().work_topic
    ended = next(offset for offset, record in enumerate(world.work_records()) if isinstance(record, work.JobEnded))
    world.need(len(world.provider.batches) == 1, "the good one was not asked alone")
    world.provider.end_batches()
    await world.run(a, seconds=30)
    assert "good" in world.events()
    planned = {name: value for name, value in a.tables["jobs"].entries(PARTITION) if name.endswith(b"/planned")}
    world.commit(a)
    world.committed[topic] = ended
    b = await world.start(await world.kill(a))
    await b.reconcile(1)
    found = {name: value for name, value in b.tables["jobs"].entries(PARTITION) if name.endswith(b"/planned")}
    world.need(found == planned, "a JobEnded that was read again plans otherwise")
    owned = sum(b.view.state.open_count(job_id) for job_id in b.view.state.jobs)
    world.need(owned == 2, "a JobEnded that was read again plans otherwise")
    await world.finish(b)
    world.check()


# -- the plants ----------------------------------------------------------------------------------------------------------


def rows_lost(kind: bytes) -> Callable[[Patch], None]:
    """An entry is written without its rows of one kind."""

    def plant(patch: Patch) -> None:
        put = MemoryTable.put

        def faulty(self: MemoryTable, partition: int, key: bytes, value: bytes, given: Iterable[Row] = ()) -> Any:
            return put(self, partition, key, value, [row for row in given if row[0][:1] != kind])

        patch.setattr(MemoryTable, "put", faulty)

    plant.__name__ = f"rows_{kind.decode()}_lost"
    return plant


def rows_behind_their_entry(patch: Patch) -> None:
    """Rows are written after their entry, with the next one: a kill parts them."""
    put, behind = MemoryTable.put, dict[int, list[Row]]()

    def faulty(self: MemoryTable, partition: int, key: bytes, value: bytes, given: Iterable[Row] = ()) -> Any:
        before, behind[id(self)] = behind.get(id(self), []), list(given)
        return put(self, partition, key, value, before)

    patch.setattr(MemoryTable, "put", faulty)


def old_store_taken_as_it_is(patch: Patch) -> None:
    """Nobody asks whether the entries of a store have their rows."""
    patch.setattr(MemoryTable, "is_indexed", lambda self, partition: True)


def restored_without_rows(patch: Patch) -> None:
    """What comes from the changelog gets no rows."""
    patch.setattr(MemoryTable, "_restore", MemoryTable._apply)


def ended_again_not_looked_for(patch: Patch) -> None:
    """A member has ended if its request is gone, though the record that ends it is to be read again."""
    patch.setattr(outcomes, "since", lambda *where, **more: iter(()))


Play = Callable[[World], Awaitable[None]]
PLANTS: list[tuple[Callable[[Patch], None], str, Play]] = [
    (rows_lost(b"i"), "paid twice", lambda w: test_20_an_id_is_forgotten_when_its_row_is_lost(w, "kept")),
    (rows_lost(b"e"), "lost", test_21_a_job_is_planned_again_when_its_row_is_lost),
    (rows_lost(b"m"), "paid twice", test_21_a_job_is_planned_again_when_its_row_is_lost),
    (rows_lost(b"n"), "2 different events", test_22_a_member_is_asked_again_when_the_row_of_its_ending_is_lost),
    (
        rows_behind_their_entry,
        "never deleted",
        lambda w: test_20_an_id_is_forgotten_when_its_row_is_lost(w, "kept"),
    ),
    (old_store_taken_as_it_is, "never deleted", lambda w: test_20_an_id_is_forgotten_when_its_row_is_lost(w, "old")),
    (restored_without_rows, "never deleted", lambda w: test_20_an_id_is_forgotten_when_its_row_is_lost(w, "wiped")),
    (ended_again_not_looked_for, "plans", test_23_a_job_is_planned_otherwise_when_its_members_are_gone),
]
IDS = [f"{plant.__name__}-{number}" for number, (plant, *_) in enumerate(PLANTS)]


@pytest.mark.parametrize(("plant", "broken", "play"), PLANTS, ids=IDS)
async def test_the_plant_breaks_a_promise(
    world: World, monkeypatch: Patch, plant: Callable[[Patch], None], broken: str, play: Play
) -> None:
    plant(monkeypatch)
    with pytest.raises(BrokenPromise, match=broken):
        await play(world)
