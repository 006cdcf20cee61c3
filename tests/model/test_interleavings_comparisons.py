"""The interleavings that break a careless version of the design, of one comparison: its request, its answer, its event.

Each is played step by step over the real decisions and agents. Two workers A and B share one partition; one that has lost it
and has not noticed goes on, and what it has sent still lands. Each test is named by its number and by the promise that would
be broken; test_plants.py shows that each can fail. Those of batch jobs are in test_interleavings_jobs.py.
"""

import pytest

from domain.reply import ErrorCode
from streams.wire import work
from tests.model.begun import claiming, overdue, overtaken
from tests.model.world import World


async def test_a_round_without_any_fault(world: World) -> None:
    worker = await world.start()
    world.request("m0", "m1", "m2")
    await world.finish(worker)
    world.check()
    assert world.provider.paid() == {"m0": 1, "m1": 1, "m2": 1}
    assert [world.result(name)["winner"] for name in ("m0", "m1", "m2")] == ["Essay A"] * 3


@pytest.mark.parametrize("landed", ["rounds", "requests"])
@pytest.mark.parametrize("disk_kept", [True, False])
async def test_01_a_request_is_lost_when_one_of_its_two_puts_is(world: World, landed: str, disk_kept: bool) -> None:
    a = await world.start()
    world.request("m0", "m1")
    await a.collect()
    await a.land(f"{landed}-changelog")
    disk = await world.kill(a)
    await world.finish(await world.start(disk if disk_kept else None))
    world.check()


async def test_06_an_outcome_is_lost_when_reconcile_is_ahead_of_collect(world: World) -> None:
    a = await world.start()
    world.request("m0")
    await a.collect()
    world.clock.advance(a.settings.longest_wait_s)
    await a.tick()
    await a.land("work")
    assert isinstance(world.work_records()[-1], work.DeadlinePassed)
    await world.kill(a)
    b = await world.start()
    await b.reconcile()
    waiting = len(b.view.waits_for_collect)
    await world.finish(b)
    world.check()
    assert waiting == 1
    assert world.result("m0")["error_detail"]["error_code"] == ErrorCode.TIMEOUT


@pytest.mark.parametrize("landed", ["rounds", "comparison_result"])
async def test_07_one_request_ends_in_two_events_when_settings_change(world: World, landed: str) -> None:
    a = await world.start(model="old")
    world.request("m0")
    await a.collect()
    world.clock.advance(a.settings.longest_wait_s)
    await a.tick()
    await a.land("work")
    await a.reconcile()
    await a.land("comparison_result", landed)
    await world.kill(a)
    await world.finish(await world.start(model="new"))
    world.check()
    assert world.result("m0")["model"] == "old"


async def test_07_a_fact_is_written_with_two_values_when_settings_change(world: World) -> None:
    a = await world.start(model="old", longest_wait_s=3_000.0)
    world.request("m0", "m1")
    await a.collect()
    await a.land()
    await world.kill(a)
    await world.finish(await world.start(model="new", longest_wait_s=6_000.0))
    world.check()
    assert world.result("m0")["model"] == "old"


async def test_08_a_request_is_never_deleted_when_its_end_was_not_announced(world: World) -> None:
    a = await world.start(testing={"done_flush_s": 60.0})
    world.provider.ends_at_once = True
    world.request("m0", "m1")
    while set(world.events()) != {"m0", "m1"}:
        await world.turn(a)
        world.clock.advance(1)
    world.commit(a)
    assert not any(isinstance(record, work.RequestsDone) for record in world.work_records())
    await world.kill(a)
    await world.finish(await world.start())
    world.check()


async def test_09_a_deleted_request_comes_back(world: World) -> None:
    a, b = await overtaken(world, "m0", "m1")
    await a.land()  # its puts, and then the plan of its window
    assert isinstance(world.work_records()[-1], work.JobPlanned)
    await world.finish(b)
    world.check_safety()
    await world.finish(await world.start())
    world.check()
    assert len(world.provider.batches) == 1


@pytest.mark.parametrize("work_waits", [False, True])
async def test_10_a_backlog_above_the_bound_is_a_deadlock(world: World, work_waits: bool) -> None:
    for number in range(5):
        world.request(f"m{number}", batch=str(number))
    if work_waits:
        world.record(overdue(world, 0, offset=4))
    worker = await world.start(max_pending_bytes=1_024)
    await worker.reconcile()
    await worker.collect(1)
    paused = bool(worker.consumer.paused)
    await world.finish(worker)
    world.check()
    assert paused != work_waits


async def test_15_an_event_is_lost_when_its_offset_is_acked_before_it_is_sent(world: World) -> None:
    a = await claiming(world, "m0", "m1")
    world.provider.ends_at_once = True
    while not any(isinstance(record, work.Outcomes) for record in world.work_records()):
        await a.land()
        await a.reconcile()
        world.clock.advance(5)
        await a.tick()
        await a.land("work", "changelog")
    await a.reconcile()
    await a.land("work", "changelog")
    assert world.events() == {}
    world.commit(a)
    await world.kill(a)
    await world.finish(await world.start())
    world.check()
