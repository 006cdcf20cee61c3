"""The interleavings that break a careless version of the design, of batch jobs: planned, claimed, created, found, ended.

Each is played as those of test_interleavings_comparisons.py, whose head says how.
"""

import pytest

from domain.reconciling import JobEnd
from domain.reply import ErrorCode
from streams.wire import work
from tests.model.begun import claiming, only_job, overdue, planned
from tests.model.world import World


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
    assert {custom_id.rpartition("-")[2]: name for custom_id, name in batch.lines.items()} == {"1": "m1", "2": "m2"}
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
