"""Cancelling on request: whom it means, that they end once, and that a batch nobody waits for is cancelled too."""

import uuid

import pytest

from domain.comparison import Member
from domain.outcome import Ending
from domain.partition.state import PartitionState
from domain.reconciling import cancelled
from domain.reply import ErrorCode
from domain.rounds import Arrival, RoundEntry, Standing, is_of_batch
from streams.wire import work
from tests.model.values import plan
from tests.model.worker import ModelWorker
from tests.model.world import World


def state_of(*round_keys: str) -> PartitionState:
    """A pending comparison in each of these rounds, at offsets 0, 1 …, with ids id-0, id-1 …"""
    state = PartitionState(0)
    for offset, key in enumerate(round_keys):
        arrival = Arrival(
            0, f"id-{offset}", "sha", Standing.ACCEPTED, provider="openai", model="m", strategy="per_round", deadline_ms=10
        )
        state.learn_record(offset, [RoundEntry(key, offset, 0, (arrival,))], 0)
    return state


@pytest.mark.parametrize(
    ("key", "batch", "is_one"),
    [
        ("cj:138:0", "138", True),
        ("cj:138:12", "138", True),
        ("bos:138:0", "138", True),
        ("cj:1138:0", "138", False),
        ("cj:138:0", "13", False),
        ("cj:138:0", "138:0", False),
        ("cj:a:b:3", "a:b", True),
        ("own:138:0", "138", False),
    ],
)
def test_a_batch_is_its_rounds_exactly(key: str, batch: str, is_one: bool) -> None:
    assert is_of_batch(key, batch) is is_one


def test_the_pending_ones_of_a_batch_and_those_named_are_meant() -> None:
    state = state_of("cj:1:0", "cj:1:1", "cj:2:0", "own:3:0")
    found = cancelled(state, 7, "1", ["id-3", "id-0", "never seen"]).cancelled
    assert [outcome.member for outcome in found] == [Member(0, 0), Member(1, 0), Member(3, 0)]
    (one,) = {(outcome.provider, outcome.model, outcome.mode, outcome.completed_ms) for outcome in found}
    assert one == ("openai", "m", "batch_api", 7)
    assert all(outcome.fault and outcome.fault.code is ErrorCode.SERVICE_UNAVAILABLE for outcome in found)


def test_one_that_has_ended_is_not_meant_and_one_in_a_job_has_its_mode() -> None:
    state = state_of("cj:1:0", "cj:1:0")
    state.learn_planned(state.job_of(plan((Member(1, 0),), mode="per_request"), 5, 0, 0))
    state.learn_endings([Ending(Member(0, 0), "answered")])
    (found,) = cancelled(state, 7, "1", ["id-0"]).cancelled
    assert (found.member, found.mode) == (Member(1, 0), "per_request")


async def submitted(world: World, **batches: str) -> ModelWorker:
    """A worker with a running batch for each round; `name=batch`."""
    worker = await world.start()
    for name, batch in batches.items():
        world.request(name, batch=batch)
    await world.run(worker, seconds=20)
    world.commit(worker)
    assert [batch.ended for batch in world.provider.batches] == [False] * len(batches)
    return worker


def codes(world: World) -> dict[str, str | None]:
    found = {name: world.result(name)["error_detail"] for name in world.events()}
    return {name: detail and detail["error_code"] for name, detail in found.items()}


async def test_a_batch_is_ended_and_cancelled_at_the_provider_and_its_neighbour_is_not(world: World) -> None:
    worker = await submitted(world, m0="1", m1="2")
    world.record(work.CancelRequested(batch="1"))
    await world.turn(worker)
    await world.turn(worker)
    assert codes(world) == {"m0": "SERVICE_UNAVAILABLE"}
    assert [batch.ended for batch in world.provider.batches] == [True, False]
    await world.finish(worker)
    world.check()
    assert codes(world) == {"m0": "SERVICE_UNAVAILABLE", "m1": None}


async def test_a_correlation_id_is_ended_alone(world: World) -> None:
    worker = await world.start()
    world.request("m0", "m1")
    await world.run(worker, seconds=20)
    world.record(work.CancelRequested(ids=(str(uuid.uuid5(uuid.NAMESPACE_OID, "m0")),)))
    await world.run(worker, seconds=20)
    assert codes(world) == {"m0": "SERVICE_UNAVAILABLE"}
    assert not world.provider.batches[0].ended  # m1 still waits for it
    await world.finish(worker)
    world.check()
    assert codes(world)["m1"] is None


@pytest.mark.parametrize("at", ["cancel_requested", "outcomes"])
@pytest.mark.parametrize("late", [False, True])
async def test_a_worker_killed_at_it_leaves_it_to_the_next_one(world: World, at: str, late: bool) -> None:
    """The next process has not submitted the batch, and cancels it all the same."""
    worker = await submitted(world, m0="1", m1="2")
    world.record(work.CancelRequested(batch="1"))
    await worker.reconcile()
    if at == "outcomes":
        await worker.land()
        world.commit(worker)
        await worker.reconcile()
    await world.kill(worker, late=late)
    worker = await world.start()
    await world.run(worker, seconds=20)
    assert codes(world) == {"m0": "SERVICE_UNAVAILABLE"}
    assert [batch.ended for batch in world.provider.batches] == [True, False]
    await world.finish(worker)
    world.check()


async def test_what_came_while_no_worker_ran_is_cancelled_too(world: World) -> None:
    world.request("m0")
    world.record(work.CancelRequested(batch="1"))
    worker = await world.start()
    await worker.reconcile()
    await worker.collect()
    await world.finish(worker)
    world.check()
    assert codes(world) == {"m0": "SERVICE_UNAVAILABLE"}


async def test_a_batch_that_is_just_being_created_is_cancelled_when_it_is_known(world: World) -> None:
    worker = await world.start()
    world.request("m0")
    await worker.collect()
    await worker.land()
    for _ in range(2):  # planned, claimed
        await worker.reconcile()
        await worker.land()
    while not world.provider.batches:
        await worker.reconcile()
        await worker.land("jobs", "requests", "rounds")
    world.record(work.CancelRequested(batch="1"))
    await world.run(worker, seconds=20)
    assert codes(world) == {"m0": "SERVICE_UNAVAILABLE"}
    assert world.provider.batches[0].ended
    world.check()
