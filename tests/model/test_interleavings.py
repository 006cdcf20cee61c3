"""The interleavings that break a careless version of the design, each played step by step over the real decisions and agents.

Two workers A and B share one partition; one that has lost it and has not noticed goes on, and what it has sent still lands.
Each test is named by its number and by the promise that would be broken; test_plants.py shows that each can fail.
"""

import pytest

from domain.comparison import Member
from domain.reconciling import JobEnd, Overdue
from domain.reply import ErrorCode
from streams.wire import work
from tests.model.worker import ModelWorker
from tests.model.world import World


async def planned(world: World, *names: str) -> ModelWorker:
    """A worker that has sent the plan of a round: JobPlanned is in the log, and nobody has read it."""
    worker = await world.start()
    world.request(*names)
    await worker.collect()
    await worker.land()
    world.commit(worker)
    assert isinstance(world.work_records()[-1], work.JobPlanned)
    return worker


async def claiming(world: World, *names: str) -> ModelWorker:
    """The same one step on: the job is known and acknowledged, the claim is in flight."""
    worker = await planned(world, *names)
    await worker.reconcile()
    await worker.land("jobs")
    world.commit(worker)
    return worker


def only_job(worker: ModelWorker) -> str:
    (job_id,) = worker.view.state.jobs
    return job_id


def overdue(world: World, *positions: int, offset: int = 0) -> work.DeadlinePassed:
    late = [Overdue(Member(offset, at), "openai", "m", "batch_api", world.clock.now_ms() - 1) for at in positions]
    return work.DeadlinePassed(overdue=tuple(late))


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


async def test_02_an_answer_goes_to_the_wrong_member_when_the_tables_are_ahead(world: World) -> None:
    for name in ("m0", "m1"):
        world.provider.endings[name].append("expired")
    a = await claiming(world, "m0", "m1")
    await world.run(a, seconds=20)
    world.provider.end_batches()
    while not isinstance(world.work_records()[-1], work.JobEnded):
        world.clock.advance(5)
        await a.tick()
        await a.land()
        if isinstance(world.work_records()[-1], work.Outcomes):
            await a.reconcile()
            await a.land()
            world.commit(a)
    world.record(overdue(world, 0))
    await a.reconcile()  # plans m0 and m1 again, then m0's deadline has passed
    await a.land("outcomes-changelog", "comparison_result")
    b = await world.start()
    await world.run(b, seconds=20)
    assert len(world.provider.batches) == 2
    await a.land()  # the plan of A arrives
    await world.kill(b)
    await world.finish(await world.start())
    world.check()
    assert world.provider.paid() == {"m1": 1}


async def test_02_an_innocent_member_is_refused_when_half_of_the_halves_were_put(world: World) -> None:
    world.provider.refused.add("bad")
    a = await claiming(world, "bad", "good")
    await a.land()
    await a.reconcile()
    await a.land()
    assert isinstance(world.work_records()[-1], work.JobEnded)
    world.commit(a)
    await a.reconcile()
    await a.land("jobs-changelog", most=1)
    await world.kill(a)
    await world.finish(await world.start())
    world.check()
    assert world.result("bad")["error_detail"]["error_code"] == ErrorCode.INVALID_REQUEST
    assert world.result("good")["winner"] == "Essay A"


async def test_03_a_batch_is_paid_twice_when_the_partition_comes_back(world: World) -> None:
    world.provider.fates.append("timeout")
    a = await claiming(world, "m0", "m1")
    await a.land()
    await a.reconcile()
    await a.land()
    assert len(world.provider.batches) == 1
    a.revoke()
    await world.kill(await world.start())
    await world.assign(a)  # the claim was not committed, and is read again while it holds
    await world.finish(a)
    world.check()


async def test_04_a_batch_is_paid_twice_when_a_claim_comes_after_the_end(world: World) -> None:
    b = await claiming(world, "m0", "m1")
    job_id = only_job(b)
    world.record(work.JobEnded(job_id=job_id, claim_offset=None, reason=JobEnd.NOT_STARTED))
    await b.land()
    await world.finish(b)
    world.check()
    assert job_id not in {batch.job_id for batch in world.provider.batches}


@pytest.mark.parametrize("fate", ["", "timeout"])
async def test_05_a_batch_is_paid_twice_when_an_end_does_not_know_of_the_claim(world: World, fate: str) -> None:
    world.provider.fates.append(fate)
    a = await claiming(world, "m0", "m1")
    await a.land()
    await a.reconcile()
    await a.land("jobs")
    assert len(world.provider.batches) == 1
    world.record(work.JobEnded(job_id=only_job(a), claim_offset=None, reason=JobEnd.NOT_STARTED))
    await world.finish(a)
    world.check()
    assert len(world.provider.batches) == 1


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
    a = await world.start()
    world.request("m0", "m1")
    await a.collect()
    b = await world.start()
    await world.finish(b)
    world.check()
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


async def test_11_a_second_end_plans_again_what_has_moved_on(world: World) -> None:
    a = await claiming(world, "m0", "m1")
    first = only_job(a)
    world.record(work.JobEnded(job_id=first, claim_offset=None, reason=JobEnd.NOT_STARTED))
    await world.run(a, seconds=20)
    world.record(work.JobEnded(job_id=first, claim_offset=None, reason=JobEnd.NOT_STARTED))
    await world.finish(a)
    world.check()
    assert len(world.provider.batches) == 1


async def test_12_a_list_that_could_not_be_read_does_not_say_absent(world: World) -> None:
    world.provider.fates.append("timeout")
    world.provider.unreadable = True
    a = await claiming(world, "m0", "m1")
    await world.run(a, seconds=2_000, step_s=20)
    world.provider.unreadable = False
    await world.finish(a)
    world.check()
    assert len(world.provider.batches) == 1


async def test_12_what_is_certainly_absent_is_planned_again(world: World) -> None:
    world.provider.fates.append("lost")
    a = await claiming(world, "m0", "m1")
    await world.run(a, seconds=180)
    assert world.provider.batches == []
    await world.finish(a)
    world.check()
    assert world.provider.paid() == {"m0": 1, "m1": 1}


async def test_13_an_answer_goes_to_the_wrong_member_when_lines_are_cut_again(world: World) -> None:
    a = await claiming(world, "m0", "m1", "m2")
    world.record(overdue(world, 0))
    await world.run(a, seconds=5)
    (batch,) = world.provider.batches
    await world.finish(a)
    world.check()
    assert {custom_id.rpartition("-")[2]: name for custom_id, (name, _) in batch.rows.items()} == {"1": "m1", "2": "m2"}
    assert [world.result(name)["winner"] for name in ("m0", "m1", "m2")] == [None, "Essay A", "Essay A"]


@pytest.mark.parametrize("first", ["a", "b"])
async def test_14_a_batch_is_paid_twice_when_two_claim_it(world: World, first: str) -> None:
    a = await claiming(world, "m0", "m1")
    b = await world.start()
    await b.tick()
    await b.reconcile()
    await b.land("jobs")
    for worker in (a, b) if first == "a" else (b, a):
        await worker.land("work")
    for _ in range(3):
        for worker in (a, b):  # A has not noticed, and reads on
            await worker.reconcile()
            await worker.land()
    await world.finish(b)
    world.check()
    assert len(world.provider.batches) == 1


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


@pytest.mark.parametrize("submitted", [False, True])
async def test_16_a_batch_is_paid_twice_when_two_plan_it(world: World, submitted: bool) -> None:
    a = await world.start()
    world.request("m0", "m1")
    await a.collect()
    await a.land("changelog")
    assert a.outbox.flying() == [a.settings.work_topic]
    b = await world.start()
    await b.collect()
    await b.land()
    if submitted:
        await world.run(b, seconds=5)
    await a.land("work")
    assert [type(record) for record in world.work_records()].count(work.JobPlanned) == 2
    await world.finish(b)
    world.check()
    assert len(world.provider.batches) == 1


async def test_17_a_job_is_forgotten_when_the_claim_given_back_was_not_the_one_that_stands(world: World) -> None:
    a = await claiming(world, "m0", "m1")
    b = await world.start()
    await b.tick()
    await b.reconcile()
    await b.land()
    a.revoke()  # its claim, still in flight, is given back
    await a.land()
    await b.reconcile()
    await b.land()
    assert len(world.provider.batches) == 1
    await world.kill(b)
    await world.assign(a)
    await world.finish(a)
    world.check()
    assert world.result("m0")["winner"] == "Essay A"


async def test_18_a_claim_that_runs_out_while_the_job_is_uploaded_is_not_called_upon(world: World) -> None:
    a = await claiming(world, "m0", "m1")
    first = only_job(a)
    world.provider.while_uploading = lambda: world.clock.advance(a.settings.testing.start_within_s)
    await world.run(a, seconds=5)
    world.provider.while_uploading = lambda: None
    await world.finish(a)
    world.check()
    world.need(first not in {batch.job_id for batch in world.provider.batches}, "a claim that had run out was called upon")


async def test_19_a_batch_is_paid_twice_when_a_late_entry_moves_recovery_past_a_claim(world: World) -> None:
    a = await planned(world, "m0", "m1")
    await a.reconcile()  # its entry of the job is in flight while it sleeps
    b = await world.start()
    await world.run(b, seconds=5)
    world.commit(b)
    assert len(world.provider.batches) == 1
    await a.land("jobs-changelog")
    await world.kill(b)
    await world.finish(await world.start(await world.kill(a)))
    world.check()
    assert len(world.provider.batches) == 1
