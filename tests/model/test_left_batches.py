"""A batch that nobody waits for any more, whose requests are gone: the next worker cancels it if it may still run."""

import uuid

import pytest

from streams.wire import work
from tests.model.worker import ModelWorker
from tests.model.world import World


async def cancelled_and_done(world: World) -> ModelWorker:
    """One batch cancelled, its requests announced as done and deleted, everything committed; another answered in full."""
    worker = await world.start()
    world.request("c0", "c1", batch="1")
    world.request("a0", batch="2")
    await world.run(worker, seconds=20)
    world.record(work.CancelRequested(batch="1"))
    await world.run(worker, seconds=20)
    world.provider.end_batches()
    await world.run(worker, seconds=100)
    world.commit(worker)
    assert worker.view.retained == set()
    return worker


def ended_batches(world: World) -> list[set[str]]:
    """The comparisons of each batch that has ended at the provider."""
    return [{name for name, _ in batch.rows.values()} for batch in world.provider.batches if batch.ended]


@pytest.mark.parametrize("wiped", [False, True])
async def test_a_cancel_that_failed_is_made_by_the_next_worker_though_the_requests_are_gone(world: World, wiped: bool) -> None:
    disk = await world.kill(await cancelled_and_done(world))
    for batch in world.provider.batches:
        batch.ended = False  # neither end is known at the provider
    worker = await world.start(None if wiped else disk)
    await world.run(worker, seconds=20)
    assert ended_batches(world) == [{"c0", "c1"}]


async def test_a_batch_older_than_any_can_run_is_left_alone(world: World) -> None:
    disk = await world.kill(await cancelled_and_done(world))
    for batch in world.provider.batches:
        batch.ended = False
    world.clock.advance(49 * 3_600)  # at Google a batch lives for 48 h
    worker = await world.start(disk)
    await world.run(worker, seconds=20)
    assert ended_batches(world) == []


async def test_a_batch_of_which_one_was_cancelled_and_the_last_answered_has_ended(world: World) -> None:
    """And a batch whose members went on into another job."""
    worker = await world.start()
    world.request("m0", batch="1")
    world.request("m1", batch="2")
    await world.run(worker, seconds=20)
    world.request("m2", "m3", batch="3")
    await world.run(worker, seconds=20)
    world.record(work.CancelRequested(ids=(str(uuid.uuid5(uuid.NAMESPACE_OID, "m2")),)))
    await world.run(worker, seconds=20)
    await world.finish(worker)
    again = await world.start(await world.kill(worker))
    assert (again.view.to_cancel, again.view.retained) == ({}, set())
