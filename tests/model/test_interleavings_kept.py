"""The interleavings in which a worker that gets its partition back must not go on with the view that it had.

Each is played as those of test_interleavings_comparisons.py, whose head says how.
"""

from typing import Any

import pytest

from streams.wire import work
from tests.model.begun import overtaken
from tests.model.whole import picture
from tests.model.worker import ModelWorker
from tests.model.world import World

UNTOLD: dict[str, Any] = {"testing": {"done_flush_s": 60.0}}


async def gathering(world: World) -> ModelWorker:
    """A worker that has read one of three comparisons, has acked and committed all, and goes on to wait for the others."""
    a = await world.start(quiet_s=1_000.0, window_age_s=2_000.0)
    world.request("m0", announced=3)
    await world.run(a, seconds=10)
    world.commit(a)
    return a


async def answered(world: World, worker: ModelWorker) -> None:
    """All events are there, and nobody has been told that their requests are finished."""
    world.provider.ends_at_once = True
    while len(world.events()) < len(world.names):
        await world.turn(worker)
        world.clock.advance(1)
    assert not any(isinstance(record, work.RequestsDone) for record in world.work_records())


async def rest_of(world: World, b: ModelWorker) -> None:
    """The others come, and all three are answered."""
    world.request("m1", announced=3)
    world.request("m2", announced=3)
    await world.finish(b)
    world.check()


async def test_a_view_stays_where_nothing_has_happened(world: World) -> None:
    a = await gathering(world)
    state, ids = a.view.state, list(world.names)
    before = picture(state, a, ids)
    for _ in range(3):
        a.revoke()
        await world.assign(a)
    assert a.goes_on == 3
    assert a.view.state is state
    assert picture(state, a, ids) == before
    await rest_of(world, a)
    assert world.provider.paid() == {"m0": 1, "m1": 1, "m2": 1}
    assert len(world.provider.batches) == 1


@pytest.mark.parametrize("known_by", ["generation", "member"])
async def test_25_one_request_ends_in_two_events_when_another_had_the_partition(world: World, known_by: str) -> None:
    """In a generation that this worker has missed; or in the same one, by a process of its name."""
    a = await gathering(world)
    a.revoke()
    b = await world.start(same_name=known_by == "member", **UNTOLD)
    world.request("m1", announced=3)
    world.request("m2", announced=3)
    await answered(world, b)
    world.commit(b)
    await world.kill(b)
    await world.assign(a)
    await world.finish(a, seconds=3_000, step_s=60)
    world.check()
    assert a.goes_on == 0
    assert world.provider.paid() == {"m0": 1, "m1": 1, "m2": 1}


async def test_26_one_request_ends_in_two_events_when_records_are_read_again_into_a_view_that_has_them(world: World) -> None:
    """Of the two topics' commits that of the requests was refused: the rebalance was faster."""
    a = await world.start(**UNTOLD)
    world.request("m0", "m1")
    await answered(world, a)
    world.committed[a.settings.work_topic] = a.consumer.acked[a.settings.work_topic]
    a.revoke()
    await world.assign(a)
    await world.finish(a)
    world.check()
    assert a.goes_on == 0


async def test_27_a_request_is_never_deleted_when_the_recovery_brings_what_another_has_written(world: World) -> None:
    """As in 09: the entry of a worker that has lost the partition lands when it was deleted already."""
    a, b = await overtaken(world, "m0", "m1")
    await a.land("requests-changelog")
    b.revoke()
    await world.assign(b)
    await world.finish(b)
    world.check()
    assert b.goes_on == 0
