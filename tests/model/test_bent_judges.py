"""A worker sees by audits that a judge is bent: it says so, and limits bundles where settings want that, each step once."""

import itertools
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from domain.auditing import DAY_MS, Delivered, Facts, ShadowReply, Watched
from domain.comparison import Member
from domain.job import Form
from streams.wire import work
from tests.model.worker import ModelWorker
from tests.model.world import World

MODEL = "gpt-6-luna"
WHO = {"provider": "openai", "model": MODEL}
BUNDLES = {"llm_batching_strategy": "serial_bundle", "openai": {"bundle_size": 64}, "partitions": 1}
HALVE = {**BUNDLES, "quality": {"on_alarm": "halve"}}
LATER_S = 61.0


def audited(world: World, *, number: int, turned: int, shift: bool, days_ago: int = 0) -> Iterator[Facts]:
    """Complete audits of a day, in bundles of 64; of every `turned` one was delivered otherwise than the single answers are.

    shift: always as Essay A; otherwise as A and B in turns.
    """
    at_ms = world.clock.now_ms() - days_ago * DAY_MS
    for place in range(number):
        member = Member(10**6 + next(_NEXT), 0)
        single = place % 4 < 2
        is_turned = place % turned == 0
        single = False if is_turned and shift else single
        replies = tuple(
            ShadowReply(member, form, at, f"Essay {'A' if single != (form is Form.SWAPPED) else 'B'}", 4.0, MODEL)
            for form, at in ((Form.AGAIN, 1), (Form.AGAIN, 2), (Form.SWAPPED, 1))
        )
        watched = Watched(member, "openai", MODEL, "serial_bundle", 64, 5, "shared_essays", 3)
        yield Facts(1, at_ms, (watched,), (Delivered(member, single != is_turned, 4.0),), replies)


_NEXT = itertools.count()


def bend(world: World, worker: ModelWorker, *, days: int = 20, turned: int = 6, shift: bool = True, number: int = 12) -> None:
    """Let the worker know of so many audits of each of the last days."""
    for days_ago in range(days):
        for facts in audited(world, number=number, turned=turned, shift=shift, days_ago=days_ago):
            worker.view.state.audits.learn(facts)


def limits(world: World) -> list[int]:
    """What the records say, in order."""
    return [one.most for one in world.work_records() if isinstance(one, work.BundlesLimited) and not one.since_ms]


async def look(world: World, worker: ModelWorker) -> None:
    """Let the next look come, and what it sends be read."""
    world.clock.advance(LATER_S)
    await world.run(worker, seconds=0)
    world.commit(worker)


async def test_it_is_said_once_and_nothing_is_changed_by_default(world: World) -> None:
    worker = await world.start(**BUNDLES)
    bend(world, worker)
    with capture_logs() as logs:
        for _ in range(3):
            await look(world, worker)
    said = [one for one in logs if one["event"] == "judgement_bent"]
    assert {(one["test"], one["model"], one["audits"]) for one in said} == {("shift", MODEL, 240), ("excess", MODEL, 240)}
    assert len(said) == 2
    assert limits(world) == []
    assert [(judge.model, judge.most) for judge in worker.parts.judges.seen] == [(MODEL, None)]


async def test_each_alarm_takes_one_step_and_the_next_step_needs_a_new_one(world: World) -> None:
    worker = await world.start(**HALVE)
    bend(world, worker)
    for _ in range(3):
        await look(world, worker)
    assert limits(world) == [32]
    assert worker.view.state.corrections.most("openai", MODEL) == 32
    world.clock.advance(21 * 86_400)
    bend(world, worker, days=10)  # evidence of the days after
    for _ in range(3):
        await look(world, worker)
    assert limits(world) == [32, 16]


async def test_a_worker_with_a_part_of_the_partitions_takes_its_part_of_the_false_alarms(world: World) -> None:
    worker = await world.start(**{**BUNDLES, "partitions": 4})
    bend(world, worker, days=20, number=6)
    for _ in range(3):
        await look(world, worker)
    judges = worker.parts.judges
    assert 10**judges.threshold_log10 == pytest.approx(4 * 22_500)
    (alarm,) = (alarm for alarm in judges.seen[0].alarms.values() if alarm.measure == "shift")
    assert alarm.threshold_log10 == judges.threshold_log10


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("late", [False, True])
async def test_a_worker_killed_at_a_step_leads_to_the_same_step(world: World, landed: bool, late: bool) -> None:
    worker = await world.start(**HALVE)
    bend(world, worker)
    world.clock.advance(LATER_S)
    await worker.tick()  # the record is sent
    if landed:
        await worker.land()
        await worker.reconcile()
    await world.kill(worker, late=late)
    worker = await world.start(**HALVE)
    bend(world, worker)
    for _ in range(3):
        await look(world, worker)
    assert set(limits(world)) == {32}
    assert worker.view.state.corrections.most("openai", MODEL) == 32
    await world.finish(worker, seconds=30)
    world.check()


@pytest.mark.parametrize("size", [1, 2])
async def test_the_last_step_is_single_calls(world: World, size: int) -> None:
    worker = await world.start(**HALVE)
    world.record(work.BundlesLimited(**WHO, most=size))
    await world.run(worker, seconds=5)
    world.clock.advance(30 * 86_400)
    bend(world, worker)
    for _ in range(3):
        await look(world, worker)
    assert limits(world) == ([1] if size == 1 else [2, 1])


async def test_no_bundles_at_once_where_settings_say_so(world: World) -> None:
    worker = await world.start(**BUNDLES, quality={"on_alarm": "single"})
    bend(world, worker, shift=False)
    await look(world, worker)
    assert limits(world) == [1]


async def test_noise_that_is_surely_off_by_less_than_a_point_is_said_and_not_acted_upon(world: World) -> None:
    worker = await world.start(**HALVE)
    bend(world, worker, days=45, turned=200, number=80)
    with capture_logs() as logs:
        await look(world, worker)
    assert {one["test"] for one in logs if one["event"] == "judgement_bent"} == {"excess", "shift"}
    assert limits(world) == []


async def test_an_acknowledged_alarm_ends_and_a_new_one_sounds(world: World) -> None:
    worker = await world.start(**BUNDLES)
    bend(world, worker)
    await look(world, worker)
    assert worker.parts.judges.seen[0].alarms["shift"].sounds
    world.record(work.JudgementAcknowledged(**WHO))
    await look(world, worker)
    assert worker.parts.judges.seen[0].alarms == {}
    assert worker.parts.judges.seen[0].shown.audits == 240  # what is known is still told
    world.clock.advance(10 * 86_400)
    bend(world, worker, days=9, number=36)
    with capture_logs() as logs:
        await look(world, worker)
    assert {one["test"] for one in logs if one["event"] == "judgement_bent"} == {"excess", "shift"}


async def test_what_was_said_is_said_again_before_tables_forget_it(world: World) -> None:
    worker = await world.start(**BUNDLES)
    world.record(work.BundlesLimited(**WHO, most=8, reason="bent"))
    world.record(work.JudgementAcknowledged(**WHO))
    said_ms = world.clock.now_ms()
    await look(world, worker)
    again = [one for one in world.work_records() if getattr(one, "since_ms", 0)]
    assert again == [  # at once: whoever sent it may have been killed before every partition had it
        work.BundlesLimited(**WHO, most=8, reason="bent", since_ms=said_ms),
        work.JudgementAcknowledged(**WHO, since_ms=said_ms),
    ]
    await look(world, worker)
    assert len(world.work_records()) == 4
    for _ in range(3):
        world.clock.advance(86_400)
        await look(world, worker)
        await look(world, worker)
    assert len(world.work_records()) == 10
    assert worker.view.state.corrections.most("openai", MODEL) == 8
    assert worker.view.state.corrections.counts_from_ms("openai", MODEL) == said_ms
