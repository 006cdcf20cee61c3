"""Budgets in the whole worker: reserved before, corrected after, waited for or refused, and the same after a restart."""

from typing import Any

import pytest

from agents.accounts.budgets import Budgets
from domain.admission import AdmissionVerdict
from domain.reply import Usage
from providers.prices import LISTED
from streams.wire import work
from tests.model.worker import ModelWorker
from tests.model.world import World

MODEL = "gpt-6-luna"
PAID = LISTED.cost_usd("openai", MODEL, Usage(100, 10), batch=True) or 0.0  # what the model's answer costs
MOST = (
    LISTED.most_usd("openai", MODEL, batch=True, prompt_tokens=830, output_tokens=400) or 0.0
)  # ceil((27 + 2048) / 2.5) and 400


def budget(**fields: Any) -> dict[str, Any]:
    """Settings of a worker that holds the only partition there is."""
    return {"budget": fields, "partitions": 1}


async def start(world: World, **settings: Any) -> ModelWorker:
    return await world.start(**settings)


def budgets(world: World) -> Budgets:
    return world.workers[-1].parts.money.budgets


async def test_a_job_reserves_the_most_it_may_cost_and_pays_what_it_did(world: World) -> None:
    worker = await start(world, **budget(day_usd=10.0))
    world.request("m0", "m1")
    await world.run(worker, seconds=30)
    assert budgets(world).reserved() == pytest.approx(2 * MOST)
    assert budgets(world).spent_today() == 0.0
    await world.finish(worker)
    world.check()
    assert budgets(world).reserved() == 0.0
    assert budgets(world).spent_today() == pytest.approx(2 * PAID)
    assert budgets(world).spent_for("bos-1") == pytest.approx(2 * PAID)


@pytest.mark.parametrize("strategy", ["per_round", "per_request"])
async def test_what_exceeds_the_day_is_held_until_the_next_one(world: World, strategy: str) -> None:
    twice = 2 if strategy == "per_request" else 1  # calls cost twice what batch rows do
    settings = budget(day_usd=2 * MOST * twice) | {"llm_batching_strategy": strategy, "longest_wait_s": 100_000.0}
    worker = await start(world, **settings)
    world.request("m0", "m1", batch="1")
    await world.run(worker, seconds=30)
    world.request("m2", "m3", batch="2")
    await world.run(worker, seconds=30)
    await world.finish(worker, seconds=60)
    # 1,700,000,000 s is 22:13:20 of its day: the second round does not fit beside what the first one has cost.
    assert set(world.events()) == {"m0", "m1"}
    assert budgets(world).waiting() == (1, 2)
    for _ in range(2):  # by a process that knows it from the log alone, then by one that has also lost its disk
        world.commit(worker)
        await world.kill(worker)
        worker = await start(world, **settings)
        await world.run(worker, seconds=30)
        assert budgets(world).spent_today() == pytest.approx(2 * PAID * twice)
        assert budgets(world).waiting() == (1, 2)
        assert set(world.events()) == {"m0", "m1"}
    await world.finish(worker, seconds=2 * 3_600, step_s=300)
    world.check()
    assert world.result("m2")["winner"] == "Essay A"
    assert budgets(world).waiting() == (0, 0)


async def test_money_that_was_reserved_and_not_needed_lets_the_next_one_go(world: World) -> None:
    worker = await start(world, **budget(day_usd=3 * MOST))
    for number in range(3):
        world.request(f"a{number}", f"b{number}", batch=str(number))
    await world.run(worker, seconds=30)
    assert len(world.provider.batches) == 1
    assert budgets(world).waiting() == (2, 4)
    await world.finish(worker, seconds=120)
    world.check()
    assert len(world.provider.batches) == 3


async def test_what_is_held_goes_under_a_raised_budget(world: World) -> None:
    worker = await start(world, **budget(day_usd=MOST))
    world.request("m0")
    await world.finish(worker, seconds=60)
    world.request("m1")
    await world.run(worker, seconds=60)
    assert budgets(world).waiting() == (1, 1)
    world.commit(worker)
    await world.kill(worker)
    await world.finish(await start(world, **budget(day_usd=2 * MOST)), seconds=60)
    world.check()
    assert world.result("m1")["winner"] == "Essay A"


async def test_what_is_claimed_or_submitted_is_reserved_after_a_restart_too(world: World) -> None:
    settings = budget(day_usd=3 * MOST)
    worker = await start(world, **settings)
    world.request("m0", "m1", batch="1")
    await world.run(worker, seconds=30)
    world.commit(worker)
    await world.kill(worker)
    worker = await start(world, **settings)
    world.request("m2", "m3", batch="2")
    await world.run(worker, seconds=30)
    assert budgets(world).reserved() == pytest.approx(2 * MOST)
    assert len(world.provider.batches) == 1
    await world.finish(worker, seconds=120)
    world.check()
    assert len(world.provider.batches) == 2


async def test_a_batch_has_a_budget_of_its_own(world: World) -> None:
    worker = await start(world, **budget(batch_usd=2 * MOST))
    world.request("m0", "m1", batch="1")
    await world.finish(worker, seconds=60)
    world.request("m2", "m3", batch="1")
    world.request("n0", "n1", batch="2")
    await world.finish(worker, seconds=60)
    assert set(world.events()) == {"m0", "m1", "n0", "n1"}


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_deadline_that_money_was_waited_for_ends_in_quota_exceeded(world: World, restarts: bool) -> None:
    settings = budget(day_usd=MOST) | {"longest_wait_s": 1_800.0}
    worker = await start(world, **settings)
    world.request("m0")
    await world.finish(worker, seconds=60)
    world.request("m1")
    await world.run(worker, seconds=60)
    if restarts:  # and the deadline passes while nobody is there
        world.commit(worker)
        await world.kill(worker)
        world.clock.advance(1_800)
        worker = await start(world, **settings)
    await world.run(worker, seconds=1_800, step_s=60)
    world.check()
    detail = world.result("m1")["error_detail"]
    assert detail["error_code"] == "QUOTA_EXCEEDED"
    assert "the day's budget" in detail["message"]


async def test_by_setting_the_excess_is_refused_at_once(world: World) -> None:
    worker = await start(world, **budget(day_usd=2 * MOST, excess="refuse"))
    world.request("m0", "m1", batch="1")
    await world.finish(worker, seconds=30)
    world.request("m2", "m3", batch="2")
    await world.finish(worker, seconds=30)
    world.check()
    detail = world.result("m2")["error_detail"]
    assert (detail["error_code"], world.result("m0")["winner"]) == ("QUOTA_EXCEEDED", "Essay A")
    assert len(world.provider.batches) == 1


async def test_more_than_a_whole_budget_goes_in_parts_that_fit(world: World) -> None:
    worker = await start(world, **budget(day_usd=3 * MOST))
    world.request(*(f"m{number}" for number in range(8)))
    await world.finish(worker, seconds=120)
    world.check()
    assert sorted(len(batch.rows) for batch in world.provider.batches) == [2, 2, 2, 2]


async def test_a_model_without_a_price_is_refused_under_a_budget(world: World) -> None:
    worker = await start(world, model="gpt-99-nobody-knows", **budget(day_usd=10.0))
    world.request("m0")
    await world.finish(worker, seconds=30)
    world.check()
    assert world.result("m0")["error_detail"]["error_code"] == "CONFIGURATION_ERROR"
    assert not world.provider.batches


async def test_without_a_budget_everything_goes_and_is_told_of(world: World) -> None:
    worker = await start(world)
    world.request("m0")
    await world.run(worker, seconds=30)
    assert budgets(world).reserved() == pytest.approx(MOST)
    await world.finish(worker)
    assert budgets(world).spent_today() == pytest.approx(PAID)


async def test_an_answer_that_is_of_no_use_was_paid_too(world: World) -> None:
    """A retryable outcome ends nobody, and a late one neither; both cost."""
    worker = await start(world, **budget(day_usd=10.0))
    world.request("m0")
    await world.finish(worker, seconds=30)
    (came,) = [record for record in world.work_records() if isinstance(record, work.Outcomes)]
    assert came.outcomes[0].paying_batch == "bos-1"
    world.record(came)  # of a member that has ended
    await world.run(worker, seconds=5)
    assert budgets(world).spent_today() == pytest.approx(2 * PAID)
    world.commit(worker)
    await world.kill(worker)
    await world.run(await start(world, **budget(day_usd=10.0)), seconds=5)
    assert budgets(world).spent_today() == pytest.approx(2 * PAID)


async def test_as_many_waiting_jobs_are_woken_as_there_is_room_for_the_earliest_deadline_first(world: World) -> None:
    worker, woken = await start(world, **budget(day_usd=4.1 * MOST)), list[str]()
    world.request(*"abcd", batch="first")
    await world.run(worker, seconds=10)
    for batch in ("second", "third", "fourth"):
        world.request(f"{batch}0", f"{batch}1", batch=batch)
        await world.run(worker, seconds=10)
    waiting = list(worker.view.state.jobs)[1:]
    assert budgets(world).waiting() == (3, 6)

    def wake(partition: int, job_id: str) -> bool:
        woken.append(job_id)
        return True

    budgets(world)._wake = wake
    budgets(world).tick()
    assert woken == []
    worker.view.state.jobs.pop(next(iter(worker.view.state.jobs)))  # what it had reserved is free
    world.clock.advance(10)
    budgets(world).tick()
    assert woken == waiting[:2]
    assert budgets(world).waiting() == (1, 2)


async def test_nothing_goes_before_it_is_known_what_was_spent(world: World) -> None:
    worker = await start(world, **budget(day_usd=10.0))
    world.request("m0")
    await worker.collect()
    await world.turn(worker)
    (job,) = worker.view.state.jobs.values()
    worker.view.caught_up = False
    assert budgets(world).admit(worker.view, job).verdict is AdmissionVerdict.CATCHING_UP
    worker.view.caught_up = True
    assert budgets(world).admit(worker.view, job).verdict is AdmissionVerdict.GO


async def test_money_is_given_back_while_it_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebalance is noticed by whoever asks for a view first: all are dropped then, and what was not sent is given back."""
    worker = await start(world, **budget(day_usd=10.0))
    world.request("m0", "m1")
    await world.run(worker, seconds=30)
    (reserved,) = budgets(world)._reserved

    def dropped(partition: int) -> None:
        budgets(world).not_sent(*reserved)

    monkeypatch.setattr(budgets(world)._views, "current", dropped)
    assert budgets(world).reserved() == 0.0
