"""What is done is not held, and is still known: rebuilds, stores without an index, stores restored, sums, left batches."""

from typing import Any

import pytest

from domain.comparison import Member
from domain.reconciling import Overdue
from streams.wire import work
from tables import build as building
from tables import rounds
from tables.view import PartitionView, ReadProgress
from tests.model.log import PARTITION, START_MS, Disk, new_disk
from tests.model.table import MemoryTable
from tests.model.whole import abandoned_of, paid_of, picture, state_of
from tests.model.worker import ModelWorker
from tests.model.world import World

INDEXED = ("rounds", "jobs", "outcomes")


def ids(world: World) -> list[str]:
    return list(world.names)


async def rebuilt(world: World, worker: ModelWorker, inbound: int, at: int) -> PartitionView:
    progress = (ReadProgress(start, start, start) for start in (inbound, at))
    topics: dict[str, ReadProgress] = dict(zip(("inbound", "work"), progress, strict=True))
    return await building.build(worker._tables, PARTITION, **topics, now_ms=world.clock.now_ms())


async def check_rebuilds(world: World, worker: ModelWorker, step: int = 4) -> int:
    """From offsets from which the topics may be read again, the rebuilt state is that of all records before them.

    Every `step`-th work offset is tried, each with the inbound offset read last and with two before it.
    """
    now_ms, count, read = world.clock.now_ms(), 0, worker.view.inbound.next
    for at in range(0, worker.view.work.next + 1, step):
        for inbound in {read, at % (read + 1), at * 7 % (read + 1)}:
            view = await rebuilt(world, worker, inbound, at)
            whole = state_of(worker, inbound, at, now_ms)
            assert picture(view.state, worker, ids(world)) == picture(whole, worker, ids(world)), (inbound, at)
            assert {offset for _, offset in view.once_acked._finished} == whole.finished & view.retained, (inbound, at)
            assert set(view.to_cancel) == abandoned_of(worker, at, now_ms), (inbound, at)
            count += 1
    return count


async def busy(world: World, worker: ModelWorker) -> None:
    """Rounds that are refused, expire, run out of time, are cancelled, are answered; one of each stays open."""
    world.provider.refused.add("bad")
    for name in ("e0", "e1"):
        world.provider.endings[name].append("expired")
    world.provider.endings["r1"].append("refused")
    world.request("bad", "good", "fine", batch="1")
    world.request("e0", "e1", "e2", batch="2")
    world.request("r0", "r1", batch="3")
    world.request("s0", batch="4", announced=3)
    world.request("c0", "c1", batch="5")
    await world.run(worker, seconds=20)
    world.record(work.CancelRequested(batch="5"))
    late = (Overdue(Member(1, 2), "openai", "m", "batch_api", world.clock.now_ms() - 1),)
    world.record(work.DeadlinePassed(overdue=late))
    await world.run(worker, seconds=20)
    world.provider.end_batches()
    await world.run(worker, seconds=100)
    world.request("s1", batch="4", announced=3)
    world.request("good", batch="1")  # a duplicate of one that is done
    world.request("p0", "p1", batch="6")
    await world.run(worker, seconds=10)


async def test_a_rebuild_from_any_offset_is_the_state_of_all_records_before_it(world: World) -> None:
    worker = await world.start()
    await busy(world, worker)
    assert any(isinstance(record, work.RequestsDone) for record in world.work_records())
    assert await check_rebuilds(world, worker) > 20
    await world.finish(worker)
    assert worker.view.retained == set()
    assert await check_rebuilds(world, worker, 7) > 10


async def test_a_rebuild_where_the_tables_are_ahead_of_both_topics(world: World) -> None:
    worker = await world.start()
    await busy(world, worker)
    disk = await world.kill(worker)
    again = await world.start(disk)  # nothing was committed: all of it is read again
    assert (again.view.inbound.next, again.view.work.next) == (0, 0)
    while await again.collect(1) + await again.reconcile(3):
        at = (again.view.inbound.next, again.view.work.next)
        whole = picture(state_of(again, *at, world.clock.now_ms()), again, ids(world))
        assert picture(again.view.state, again, ids(world)) == whole, at
        assert picture((await rebuilt(world, again, *at)).state, again, ids(world)) == whole, at
    assert again.view.state.payments.since(START_MS) == pytest.approx(paid_of(again).since(START_MS))
    await world.finish(again)
    world.check()


@pytest.mark.parametrize("wiped", [False, True])
async def test_everything_done_is_read_again_from_any_offset_and_nothing_is_sent_or_paid_twice(
    world: World, wiped: bool
) -> None:
    """A commit may lag as it likes behind RequestsDone. JobEnded of a refused job is among what is read again."""
    worker = await world.start()
    await busy(world, worker)
    await world.finish(worker)
    world.check()
    world.committed.clear()
    events, batches = world.events(), len(world.provider.batches)
    topics = (world.settings().request_topic, world.settings().work_topic)
    ends = {topic: world.log.end(topic) for topic in topics}
    for inbound in (0, 4, ends[topics[0]]):
        for at in range(inbound % 8, ends[topics[1]] + 1, 8):
            disk = await world.kill(worker)
            world.committed.update({topics[0]: inbound, topics[1]: at})
            worker = await world.start(None if wiped else disk)
            await world.run(worker, seconds=0)
            assert (len(world.provider.batches), world.events()) == (batches, events), (inbound, at)
            assert worker.view.state.payments.since(START_MS) == pytest.approx(paid_of(worker).since(START_MS))
    world.check()


def without_index(disk: Disk) -> Disk:
    """As an earlier version of the worker has left it."""
    for table in INDEXED:
        disk[table].rows.clear()
        disk[table].indexed = False
    return disk


def rows(disk: Disk) -> dict[str, dict[bytes, bytes]]:
    return {table: dict(disk[table].rows) for table in INDEXED}


async def test_a_store_without_an_index_gets_the_same_rows(world: World) -> None:
    worker = await world.start()
    await busy(world, worker)
    await world.finish(worker)
    disk = await world.kill(worker)
    written = rows(disk)
    assert all(written.values())
    again = await world.start(without_index(disk))
    assert_same(rows(disk), written)
    assert all(disk[table].indexed for table in INDEXED)
    assert again.view.state.payments.since(START_MS) == pytest.approx(paid_of(again).since(START_MS))


async def test_a_store_restored_from_nothing_gets_the_same_rows(world: World) -> None:
    worker = await world.start()
    await busy(world, worker)
    await world.finish(worker)
    written = rows(await world.kill(worker))
    assert_same(rows((await world.start()).disk), written)


def assert_same(made: dict[str, dict[bytes, bytes]], written: dict[str, dict[bytes, bytes]]) -> None:
    """Sums of money may differ in their last bit: they are not added up in the same order."""
    for table in INDEXED:
        assert made[table].keys() == written[table].keys()
        exact = [name for name in written[table] if table != "outcomes" or name[:1] not in b"qp"]
        assert {name: made[table][name] for name in exact} == {name: written[table][name] for name in exact}


@pytest.mark.parametrize("after", [1, 5])
async def test_a_process_killed_while_it_makes_the_index_leaves_it_to_the_next(world: World, after: int) -> None:
    """Sums that were added up halfway are not added to."""
    worker = await world.start()
    await busy(world, worker)
    disk = without_index(await world.kill(worker))
    for table in INDEXED:
        making = worker.tables[table].index_anew(PARTITION, 1)
        for _ in range(after):
            next(making, None)
        disk[table].indexed = False
    again = await world.start(disk)
    assert again.view.state.payments.since(START_MS) == pytest.approx(paid_of(again).since(START_MS)) != 0
    await world.finish(again)
    world.check()


@pytest.mark.parametrize("state", ["kept", "wiped", "of an earlier version"])
async def test_an_id_that_is_done_is_known_to_the_next_worker(world: World, state: str) -> None:
    worker = await world.start()
    world.request("m0", "m1", batch="1")
    await world.finish(worker)
    disk = await world.kill(worker)
    if state != "kept":
        disk = without_index(disk) if state != "wiped" else new_disk()
    again = await world.start(disk)
    assert (again.view.state.pending, again.view.state.history.count(world.clock.now_ms())) == ({}, 2)
    sent = len(world.log.read("huleedu.llm_provider.comparison_result.v1"))
    world.request("m1", batch="1")
    world.request("m0", batch="other")
    await world.finish(again)
    world.check()
    assert len(world.log.read("huleedu.llm_provider.comparison_result.v1")) == sent
    (letter,) = world.log.read(f"{world.settings().request_topic}.DLQ")
    assert dict(letter.headers)["reason"] == b"conflicting_content"
    assert again.view.state.history.count(world.clock.now_ms()) == 2


async def test_an_id_is_unknown_after_the_dedup_retention_and_then_known_by_its_later_place(world: World) -> None:
    worker = await world.start()
    world.request("m0")
    await world.finish(worker)
    (name,) = ids(world)
    history, asked_ms = worker.view.state.history, world.log.read(world.settings().request_topic)[0].timestamp * 1000
    retention_ms = int(worker.settings.dedup_retention_s * 1000)
    assert set(history.known([name], int(asked_ms) + retention_ms)) == {name}
    assert history.known([name], int(asked_ms) + retention_ms + 1) == {}
    world.clock.advance(worker.settings.dedup_retention_s + 1)
    world.request("m0")
    world.request("m0")
    await world.run(worker, seconds=10)
    assert history.known([name], world.clock.now_ms())[name].member == Member(1, 0)
    standings = [
        arrival.standing.value
        for _, entries in rounds.entries(worker._tables.rounds, PARTITION, [1, 2])
        for entry in entries
        for arrival in entry.arrivals
    ]
    assert standings == ["accepted", "duplicate"]
    await world.finish(worker)
    written = rows(await world.kill(worker))
    assert_same(rows((await world.start()).disk), written)


async def test_a_latecomer_of_a_round_that_is_done_finds_its_progress(world: World) -> None:
    """The round is complete without it; one more would not be waited for."""
    worker = await world.start()
    for name in ("m0", "m1"):
        world.request(name, announced=2)
    await world.finish(worker)
    again = await world.start(await world.kill(worker))
    assert again.view.state.progress.held("cj:1:0") is None
    world.request("m2", announced=2)
    await again.collect()
    progress = again.view.state.progress.held("cj:1:0")
    assert progress is not None
    assert (progress.ids, progress.announced, progress.complete) == (3, 2, False)
    await world.finish(again)
    world.check()


async def test_reads_at_a_rebuild_follow_what_is_pending(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred rounds that are done cost a rebuild nothing: no entry of theirs is read."""
    reads: list[bytes] = []
    find = MemoryTable.find

    def counted(self: MemoryTable, partition: int, key: bytes) -> Any:
        reads.append(key)
        return find(self, partition, key)

    monkeypatch.setattr(MemoryTable, "find", counted)
    worker = await world.start()
    counts = []
    for batch in range(2):
        for number in range(50):
            world.request(f"m{batch}x{number}", batch=f"{batch}x{number}")
        await world.finish(worker)
        world.request(f"open{batch}", batch=f"open{batch}", announced=2)
        await world.run(worker, seconds=0)
        reads.clear()
        view = await rebuilt(world, worker, worker.view.inbound.next, worker.view.work.next)
        assert len(view.state.pending) == 1
        counts.append(len(reads))
        await world.finish(worker)
    assert counts[0] == counts[1] <= 10
