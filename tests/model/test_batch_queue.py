"""Room in an account's batch queues, in the whole worker: held back, woken, and right after a restart."""

from typing import Any

import pytest

from tests.model.worker import ModelWorker
from tests.model.world import World


def limited(**limits: Any) -> dict[str, Any]:
    return {"openai": limits, "partitions": 1}


async def three_rounds(world: World, worker: ModelWorker, *, first: int = 1) -> None:
    for number in range(first, first + 3):
        world.request(f"m{number}a", f"m{number}b", batch=str(number))
    await world.run(worker, seconds=30)


@pytest.mark.parametrize("limits", [{"max_enqueued_items": 3}, {"max_enqueued_tokens": 3_000}])  # two are 1,662 tokens
async def test_a_batch_without_room_waits_until_another_has_ended(world: World, limits: dict[str, int]) -> None:
    worker = await world.start(**limited(**limits))
    await three_rounds(world, worker)
    assert len(world.provider.batches) == 1
    (state,) = worker.parts.money.batch_queue.state().values()
    assert (state.used.items, state.used.tokens, state.waiting) == (2, 1_662, 2)
    assert state.throttled_s == pytest.approx(30, abs=5)
    world.provider.end_batches()
    await world.run(worker, seconds=120)
    assert len(world.provider.batches) == 2  # the third waits for the second
    await world.finish(worker)
    world.check()
    assert len(world.provider.batches) == 3
    assert len(world.events()) == 6


async def test_what_is_enqueued_is_known_after_a_restart(world: World) -> None:
    settings = limited(max_enqueued_items=5)
    worker = await world.start(**settings)
    await three_rounds(world, worker)
    assert len(world.provider.batches) == 2
    world.commit(worker)
    await world.kill(worker)
    worker = await world.start(**settings)
    await three_rounds(world, worker, first=4)
    assert len(world.provider.batches) == 2
    await world.finish(worker)
    world.check()
    assert len(world.provider.batches) == 6


async def test_a_batch_larger_than_the_queue_goes_when_nothing_else_is_in_it(world: World) -> None:
    worker = await world.start(**limited(max_enqueued_items=1))
    await three_rounds(world, worker)
    assert len(world.provider.batches) == 1
    await world.finish(worker)
    world.check()
    assert len(world.provider.batches) == 3


async def test_without_a_limit_nothing_is_counted(world: World) -> None:
    worker = await world.start(partitions=1)
    await three_rounds(world, worker)
    assert len(world.provider.batches) == 3
    assert worker.parts.money.batch_queue.state() == {}


async def test_batches_planned_just_after_the_others_were_counted_are_not_forgotten(world: World) -> None:
    """Within a second of the last count they were taken for gone at the next tick, and waited for ever."""
    worker = await world.start(**limited(max_enqueued_items=3))
    for number in range(1, 4):
        world.request(f"m{number}a", f"m{number}b", batch=str(number))
        await world.run(worker, seconds=0.4, step_s=0.2)
    await world.run(worker, seconds=10, step_s=0.2)
    (state,) = worker.parts.money.batch_queue.state().values()
    assert state.waiting == 2
    await world.finish(worker)
    world.check()


async def test_a_batch_that_goes_without_being_woken_does_not_hold_up_smaller_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at when its partition came back, it stayed at the head of those that wait until it had ended."""
    worker = await world.start(**limited(max_enqueued_items=4))
    for number, names in enumerate((("m1a", "m1b"), ("m2a", "m2b", "m2c")), 1):
        world.request(*names, batch=str(number))
        await world.run(worker, seconds=30)
    with monkeypatch.context() as nobody_is_woken:
        nobody_is_woken.setattr(worker.parts.money.batch_queue, "tick", lambda: None)
        world.provider.end_batches()
        await world.run(worker, seconds=120)
        assert len(world.provider.batches) == 1
        worker.parts.due.consider_all(worker.view)
        await world.run(worker, seconds=30)
    assert len(world.provider.batches) == 2
    world.request("m3a", batch="3")
    await world.run(worker, seconds=30)
    assert len(world.provider.batches) == 3
