"""Bundles of a model are limited by a record: windows are cut by it from there on, whatever becomes of processes and disks."""

import pytest

from domain.cutting import JobLimits, Pending, cut
from domain.job import ClosedBy, Policy
from domain.partition.corrections import KEEP_MS, Correction, Corrections
from streams.wire import work
from tests.model.values import members, pending
from tests.model.worker import ModelWorker
from tests.model.world import World

BUNDLES = {"llm_batching_strategy": "serial_bundle", "openai": {"bundle_size": 4}}
TO_TWO = work.BundlesLimited(provider="openai", model="gpt-6-luna", most=2, reason="bent")


def sizes(world: World) -> list[list[int]]:
    """The lines of each plan so far."""
    return [[len(line) for line in one.plan.lines] for one in world.work_records() if isinstance(one, work.JobPlanned)]


async def play(world: World, worker: ModelWorker, name: str) -> list[int]:
    """A round of four comes and is answered; returns the lines of its plan."""
    world.request(*(f"{name}{number}" for number in range(4)), batch=name)
    await world.run(worker, seconds=20)
    world.commit(worker)
    return sizes(world)[-1]


async def test_from_the_record_on_windows_are_cut_by_it_until_it_is_lifted(world: World) -> None:
    worker = await world.start(**BUNDLES)
    assert await play(world, worker, "a") == [4]
    world.record(TO_TWO)
    assert await play(world, worker, "b") == [2, 2]
    world.record(work.BundlesLimited(provider="openai", model="gpt-6-luna-2026-08-06", most=1))
    assert await play(world, worker, "c") == [1, 1, 1, 1]
    world.record(work.BundlesLimited(provider="openai", model="gpt-6-luna", most=0))
    assert await play(world, worker, "d") == [4]
    await world.finish(worker, seconds=60)
    world.check()


async def test_another_model_is_not_meant_and_a_larger_limit_changes_nothing(world: World) -> None:
    worker = await world.start(**BUNDLES)
    for record in (
        work.BundlesLimited(provider="openai", model="gpt-6-sol", most=1),
        work.BundlesLimited(provider="anthropic", model="gpt-6-luna", most=1),
        work.BundlesLimited(provider="openai", model="gpt-6-luna", most=64),
        work.JudgementAcknowledged(provider="openai", model="gpt-6-luna"),
    ):
        world.record(record)
    assert await play(world, worker, "a") == [4]


async def test_what_is_planned_stays_as_it_is(world: World) -> None:
    worker = await world.start(**BUNDLES, quiet_s=5.0)
    world.request("m0", "m1", "m2", "m3")
    await worker.collect()
    await worker.land()
    await worker.tick()
    await worker.land()  # the plan is in the log, and not read yet
    assert sizes(world) == [[4]]
    world.record(TO_TWO)
    await world.run(worker, seconds=20)
    await world.finish(worker, seconds=60)
    world.check()
    assert sizes(world) == [[4]]


@pytest.mark.parametrize(
    ("disk", "late", "committed"),
    [("kept", False, False), ("kept", True, True), ("lost", True, False), ("lost", False, True)],
)
async def test_it_holds_after_a_kill(world: World, disk: str, late: bool, committed: bool) -> None:
    """Killed when the record is read, before or after it is acknowledged and committed; then the disk is there, or is not."""
    worker = await world.start(**BUNDLES)
    await play(world, worker, "a")
    world.record(TO_TWO)
    await worker.reconcile()
    if committed:
        await world.run(worker, seconds=5)
        world.commit(worker)
    left = await world.kill(worker, late=late)
    worker = await world.start(left if disk == "kept" else None, **BUNDLES)
    assert await play(world, worker, "b") == [2, 2]
    await world.finish(worker, seconds=60)
    world.check()


async def test_a_record_that_is_read_again_does_not_undo_a_later_one(world: World) -> None:
    worker = await world.start(**BUNDLES)
    world.record(TO_TWO)
    await world.run(worker, seconds=5)
    world.clock.advance(1)
    world.record(work.BundlesLimited(provider="openai", model="gpt-6-luna", most=0))
    await world.run(worker, seconds=5)  # both are read, and neither is committed
    left = await world.kill(worker)
    worker = await world.start(left, **BUNDLES)
    assert await play(world, worker, "a") == [4]
    await world.finish(worker, seconds=60)
    world.check()


async def test_one_that_is_sent_again_does_not_undo_a_later_one(world: World) -> None:
    worker = await world.start(**BUNDLES)
    said_ms = world.clock.now_ms()
    world.record(TO_TWO)
    world.clock.advance(1)
    world.record(work.BundlesLimited(provider="openai", model="gpt-6-luna", most=0))
    world.clock.advance(1)
    world.record(work.BundlesLimited(provider="openai", model="gpt-6-luna", most=2, since_ms=said_ms))
    assert await play(world, worker, "a") == [4]


async def test_it_holds_when_the_partition_goes_and_comes_back(world: World) -> None:
    """Kept by the same worker, taken by another one, and given back."""
    first = await world.start(**BUNDLES)
    world.record(TO_TWO)
    assert await play(world, first, "a") == [2, 2]
    first.revoke()
    await world.assign(first)
    assert first.goes_on == 1
    assert await play(world, first, "b") == [2, 2]
    first.revoke()
    second = await world.start(**BUNDLES)
    assert await play(world, second, "c") == [2, 2]
    second.revoke()
    await world.assign(first)
    assert first.goes_on == 1
    assert await play(world, first, "d") == [2, 2]
    await world.finish(first, seconds=60)
    world.check()


def lines(window: list[Pending], corrections: Corrections) -> dict[str, list[int]]:
    limits = {name: JobLimits(100, 10**9, bundle_size=8, batch_bundle_size=4) for name in ("openai", "anthropic")}
    plans = cut(
        window, closed_by=ClosedBy.COMPLETE, limits=limits, policies=dict.fromkeys(limits, Policy()), corrections=corrections
    )
    return {f"{plan.provider} {plan.mode}": [len(line) for line in plan.lines] for plan in plans}


def test_calls_of_bundles_and_lines_of_batches_are_limited() -> None:
    window = [pending(one, strategy="serial_bundle") for one in members(8)]
    window += [pending(one) for one in members(8, offset=1)]
    window += [pending(one, provider="anthropic") for one in members(8, offset=2)]
    limited = Corrections([Correction("openai", "model", 1, most=3)])
    assert lines(window, Corrections())["openai serial_bundle"] == [8]
    assert lines(window, limited) == {
        "openai serial_bundle": [3, 3, 2],
        "openai batch_api": [3, 3, 2],
        "anthropic batch_api": [4, 4],
    }


def test_the_latest_counts_in_whatever_order_they_are_learned() -> None:
    said = [
        Correction("openai", "m", 1, most=32),
        Correction("openai", "m-2026-01-01", 3, most=16),
        Correction("openai", "m", 2, most=0),
        Correction("openai", "m", 5),
        Correction("openai", "m", 4),
    ]
    for order in (said, said[::-1]):
        learned = Corrections(order)
        assert learned.most("openai", "m") == 16
        assert learned.counts_from_ms("openai", "m") == 5
        assert [one.since_ms for one in learned.kept(KEEP_MS + 4)] == [3, 5]  # a limit for as long as it is one
    assert Corrections(said).counts_from_ms("openai", "other") == 0
