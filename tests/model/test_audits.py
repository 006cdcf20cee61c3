"""Shadow audits change nothing: the same events at the same costs, whatever is killed, and each of them counted once."""

import asyncio
import json
from typing import Any

import pytest

from domain.audited import Audited
from domain.auditing import Complete
from providers.limits.limiter import Limiter
from streams.wire import work
from tests.model.audited import AuditedWorld, UnauditedWorld
from tests.model.log import START_MS
from tests.model.worker import METRICS
from tests.model.world import World


@pytest.fixture
def world_class() -> type[World]:
    return AuditedWorld


NAMES = ("m0", "m1", "m2", "m3")
STRATEGIES: dict[str, dict[str, Any]] = {
    "batch": {},
    "bundles in a batch": {"openai": {"batch_bundle_size": 4}},
    "calls": {"llm_batching_strategy": "per_request"},
    "bundles in calls": {"llm_batching_strategy": "serial_bundle", "openai": {"bundle_size": 2}},
}
# The model's provider names the essay that is shown first, whatever is asked.
FIRST_SHOWN = Complete(Audited(delivered=True, first=True, second=True, swapped=False), confidence=3)


def complete(told: dict[str, Any]) -> int:
    return sum(sum(audits.values()) for audits in told["complete"].values())


@pytest.mark.parametrize(
    ("how", "audits", "shadows", "bundle"),
    [("batch", 4, 8, "1"), ("bundles in a batch", 1, 3, "2-8"), ("calls", 4, 8, "1"), ("bundles in calls", 2, 6, "2-8")],
)
async def test_every_line_is_audited_once(world: AuditedWorld, how: str, audits: int, shadows: int, bundle: str) -> None:
    worker = await world.start(**STRATEGIES[how])
    world.request(*NAMES)
    await world.finish(worker, seconds=60)
    world.check()
    told = world.check_audits()
    assert [of for cell in told["complete"].values() for of in cell] == [FIRST_SHOWN] * len(told["complete"])
    assert {cell.bundle for cell, _ in told["complete"]} == {bundle}
    assert complete(told) == audits
    assert told["missing"] == {}
    asked = world.provider.shadows_paid().total() if "batch" in how else world.shadows_called().total()
    assert asked == shadows


async def play(world: World, how: str, *, killed_at: int) -> dict[str, set[bytes]]:
    """A round, and a process that is killed at one of the steps that it takes: with its disk or without, late sends or not."""
    kept, late = killed_at % 2 == 0, killed_at % 3 == 0
    world.provider.ends_at_once = True
    worker = await world.start(**STRATEGIES[how])
    world.request(*NAMES)
    for step in range(16):
        if step == killed_at:
            disk = await world.kill(worker, late=late)
            following = await world.start(disk if kept else None, **STRATEGIES[how])
            if late:
                await worker.land()
            worker = following
        match step % 4:
            case 0:
                await worker.collect()
                await worker.reconcile()
            case 1:
                await worker.land("changelog")
            case 2:
                await worker.land()
            case 3:
                world.clock.advance(3)
                await worker.tick()
    await world.finish(worker, seconds=900, step_s=60)
    world.check()
    return world.events()


KILLED_AT = {
    "batch": (2, 5, 6, 7, 9, 10, 11, 13, 16),
    "bundles in a batch": (6, 10),
    "calls": (5, 6, 9, 13),
    "bundles in calls": (6, 10),
}


@pytest.mark.parametrize(("how", "killed_at"), [(how, step) for how, steps in KILLED_AT.items() for step in steps])
async def test_killed_anywhere_the_events_are_those_of_a_run_without_audits(
    world: AuditedWorld, how: str, killed_at: int
) -> None:
    plain = UnauditedWorld()
    expected = await play(plain, how, killed_at=killed_at)
    await plain.stop()
    events = await play(world, how, killed_at=killed_at)
    assert events == expected
    costs = [json.loads(value)["data"]["cost_estimate"] for values in events.values() for value in values]
    assert len(costs) == 4
    assert all(cost > 0 for cost in costs)
    told = world.check_audits()
    assert complete(told) + sum(told["missing"].values()) == len({shadow.member for shadow in world.shadows_planned()})


async def test_a_batch_that_is_read_twice_is_counted_and_paid_once(world: AuditedWorld) -> None:
    """Killed when what came of the shadows is in the log and the outcomes are not: the next process reads the batch again."""
    worker = await world.start()
    world.request(*NAMES)
    await world.run(worker, seconds=20)
    world.provider.end_batches()
    while not isinstance(world.work_records()[-1], work.Audited):
        world.clock.advance(5)
        await worker.tick()
        await worker.land("work", most=1)
    paid = worker.view.state.payments.since(START_MS)
    await world.kill(worker)
    following = await world.start()
    await world.finish(following, seconds=60)
    world.check()
    told = [record for record in world.work_records() if isinstance(record, work.Audited)]
    assert len(told) == 2
    assert complete(world.check_audits()) == 4
    cost = sum(json.loads(value)["data"]["cost_estimate"] for values in world.events().values() for value in values)
    of_shadows = sum(reply.usd for reply in told[0].replies)
    assert paid == 0
    assert following.view.state.payments.since(START_MS) == pytest.approx(cost + of_shadows)


@pytest.mark.parametrize("how", ["batch", "calls"])
async def test_shadows_are_paid_for_the_day_and_by_no_batch(world: AuditedWorld, how: str) -> None:
    worker = await world.start(**STRATEGIES[how], budget={"day_usd": 5.0, "batch_usd": 5.0})
    world.request(*NAMES)
    await world.finish(worker, seconds=60)
    told, budgets = world.check_audits(), worker.parts.money.budgets
    cost = sum(json.loads(value)["data"]["cost_estimate"] for values in world.events().values() for value in values)
    assert told["usd"] > 0
    assert budgets.spent_for("bos-1") == pytest.approx(cost)
    assert budgets.spent_today() == pytest.approx(cost + told["usd"])
    assert budgets.reserved() == 0


SHORT_OF: dict[str, dict[str, Any]] = {
    "audit_budget": {"audit": {"share": 10, "day_usd": 0.0001}},
    "budget": {"budget": {"day_usd": 0.0081}},
    "batch_queue": {"openai": {"max_enqueued_items": 5}},
    "deadline": {"longest_wait_s": 1_700.0, "escalate_before_s": 0.0},
}


@pytest.mark.parametrize("reason", SHORT_OF)
async def test_what_there_is_no_room_for_is_left_out_and_nothing_waits_for_it(world: AuditedWorld, reason: str) -> None:
    before = METRICS.registry.get_sample_value("roundbatch_audits_left_out_total", {"reason": reason}) or 0
    plain = UnauditedWorld()
    for one in (plain, world):
        settings = SHORT_OF[reason] if one is world else {**SHORT_OF[reason], "audit": {"share": 0.0}}
        worker = await one.start(**settings)
        one.request(*NAMES)
        await one.finish(worker, seconds=120)
        one.check()
    await plain.stop()
    assert world.events() == plain.events()
    assert world.provider.shadows_paid() == {}
    claims = [record for record in world.work_records() if isinstance(record, work.SubmitClaimed)]
    assert [claim.shadows for claim in claims] == [False]
    told = world.check_audits()
    assert {cause for _, cause in told["missing"]} == {"left_out"}
    assert METRICS.registry.get_sample_value("roundbatch_audits_left_out_total", {"reason": reason}) == before + 4


async def test_shadows_of_calls_for_which_there_is_no_money_are_left_out(world: AuditedWorld) -> None:
    worker = await world.start(**STRATEGIES["calls"], **SHORT_OF["audit_budget"])
    world.request(*NAMES)
    await world.finish(worker, seconds=60)
    world.check()
    assert world.shadows_called() == {}
    assert {cause for _, cause in world.check_audits()["missing"]} == {"left_out"}


async def test_a_shadow_without_an_answer_is_not_asked_again(world: AuditedWorld) -> None:
    world.provider.endings["m0/swapped"].append("expired")
    world.provider.endings["m1/swapped"].append("missing")
    worker = await world.start()
    world.request(*NAMES)
    await world.finish(worker, seconds=120)
    world.check()
    told = world.check_audits()
    assert {cause: number for (_, cause), number in told["missing"].items()} == {"expired": 1, "no_row": 1}
    assert complete(told) == 2
    assert len(world.provider.batches) == 1


async def test_a_comparison_that_is_asked_again_has_no_audit(world: AuditedWorld) -> None:
    world.provider.endings["m0"].append("expired")
    worker = await world.start()
    world.request(*NAMES)
    await world.finish(worker, seconds=120)
    world.check()
    told = world.check_audits()
    assert {cause: number for (_, cause), number in told["missing"].items()} == {"not_delivered": 1}
    assert len({shadow.member for shadow in world.shadows_planned()}) == 4


async def test_requests_without_usable_blocks_are_not_audited(world: AuditedWorld) -> None:
    plain = World()
    world._body = plain._body  # type: ignore[method-assign]
    world.names = plain.names
    worker = await world.start()
    world.request(*NAMES)
    await world.finish(worker, seconds=120)
    world.check()
    assert world.provider.shadows_paid() == {}
    assert {cause for _, cause in world.check_audits()["missing"]} == {"no_row"}


async def test_a_rebalance_keeps_the_book_with_the_view_and_a_new_disk_restores_it(world: AuditedWorld) -> None:
    worker = await world.start()
    world.request(*NAMES)
    await world.finish(worker, seconds=60)
    told = world.check_audits()
    worker.revoke()
    await world.assign(worker)
    assert worker.goes_on
    assert world.check_audits() == told
    await world.kill(worker)
    await world.start()
    assert complete(world.check_audits()) == 4


@pytest.mark.parametrize("at_last", ["asked", "left out"])
async def test_shadows_of_calls_wait_while_members_wait_for_the_account(
    world: AuditedWorld, monkeypatch: pytest.MonkeyPatch, at_last: str
) -> None:
    crowded = True
    monkeypatch.setattr(Limiter, "crowded", property(lambda _: crowded))
    worker = await world.start(**STRATEGIES["calls"])
    world.request(*NAMES)
    await world.run(worker, seconds=20)
    world.check()  # all are answered, and nothing waits for the shadows
    assert world.shadows_called() == {}
    if at_last == "asked":
        crowded = False
    else:
        world.clock.advance(worker.settings.provider("openai").call_timeout_s)
    await asyncio.gather(*worker.parts.dispatcher.shadow_tasks)
    await world.finish(worker, seconds=30)
    told = world.check_audits()
    if at_last == "asked":
        assert (complete(told), world.shadows_called().total()) == (4, 8)
    else:
        assert {cause: number for (_, cause), number in told["missing"].items()} == {"left_out": 4}
        assert world.shadows_called() == {}
    world.check()


async def test_a_worker_that_ends_leaves_its_shadows_out(world: AuditedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limiter, "crowded", property(lambda _: True))
    worker = await world.start(**STRATEGIES["calls"])
    world.request(*NAMES)
    await world.run(worker, seconds=20)
    worker.parts.stop.set()
    await worker.parts.dispatcher.finish(5.0)
    assert worker.parts.dispatcher.shadow_tasks == []
    await worker.land()
    await world.kill(worker)
    await world.finish(await world.start(), seconds=15)
    assert {cause for _, cause in world.check_audits()["missing"]} == {"left_out"}


async def test_a_call_that_is_refused_brings_no_answer_and_pauses_no_account(world: AuditedWorld) -> None:
    worker = await world.start(**STRATEGIES["calls"])
    world.request(*NAMES)
    world.provider.endings["m0/swapped"].append("refused")
    await world.finish(worker, seconds=60)
    world.check()
    told = world.check_audits()
    assert {cause: number for (_, cause), number in told["missing"].items()} == {"refused_alone": 1}
    assert complete(told) == 3


async def test_shadows_are_in_the_batch_queue_before_and_after_a_restart(world: AuditedWorld) -> None:
    settings: dict[str, Any] = {"openai": {"max_enqueued_items": 20}, "partitions": 1}
    worker = await world.start(**settings)
    for batch in ("1", "2"):  # a round has 4 lines and 8 shadows: there is room for the first one's
        world.request(*(f"{name}-{batch}".replace("-", "") for name in NAMES), batch=batch)
        await world.run(worker, seconds=20)
    for again in (False, True):
        if again:
            world.commit(worker)
            await world.kill(worker)
            worker = await world.start(**settings)
            await world.run(worker, seconds=20)
        (state,) = worker.parts.money.batch_queue.state().values()
        assert state.used.items == 16
    claims = [record.shadows for record in world.work_records() if isinstance(record, work.SubmitClaimed)]
    assert claims == [True, False]
    await world.finish(worker)
    world.check()
    assert (complete(world.check_audits()), world.provider.shadows_paid().total()) == (4, 8)
