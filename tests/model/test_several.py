"""What is said in one turn of the event loop goes in one record, and decides what the same records one by one would."""

from typing import Any

import pytest

from agents.records.work_log import MOST_A_RECORD, WorkLog
from domain.comparison import Member
from domain.outcome import Outcome
from domain.reply import ErrorCode, Fault
from streams.wire import work
from tests.model.log import Log, ModelClock
from tests.model.outbox import MemoryOutbox
from tests.model.values import members, plan
from tests.model.worker import ModelWorker
from tests.model.world import World

ROUNDS = {batch: (f"a{batch}", f"b{batch}") for batch in "123"}


@pytest.fixture
def log() -> Log:
    return Log(ModelClock())


def sent(world: World) -> list[work.WorkRecord]:
    """The work topic as it is, what was sent together not taken apart."""
    return [work.decode(record.value or b"") for record in world.log.read(world.settings().work_topic)]


def kinds(world: World) -> set[str]:
    return {part.kind for record in sent(world) if isinstance(record, work.Several) for part in record.records}


async def three_rounds(world: World) -> ModelWorker:
    worker = await world.start()
    for batch, names in ROUNDS.items():
        world.request(*names, batch=batch)
    return worker


async def test_rounds_that_come_at_once_go_through_the_log_together(world: World) -> None:
    world.provider.ends_at_once = True
    worker = await three_rounds(world)
    await world.finish(worker)
    world.check()
    assert kinds(world) == {"job_planned", "submit_claimed", "submitted", "outcomes"}
    assert len(world.provider.batches) == 3
    assert len(sent(world)) <= 6  # with RequestsDone; 13 if each went alone


@pytest.mark.parametrize("landed", ["jobs-changelog", "outcomes-changelog", "comparison_result", "nothing"])
@pytest.mark.parametrize("kept", [True, False])
async def test_killed_at_any_record_and_read_again_the_same_is_decided(world: World, landed: str, kept: bool) -> None:
    """At every step the worker is killed with a part of its effects acknowledged, and the record is read again."""
    world.provider.ends_at_once = True
    worker = await three_rounds(world)
    for _ in range(8):
        await worker.collect()
        await worker.land()
        await worker.reconcile(1)
        await worker.land(landed, most=2)
        disk = await world.kill(worker)
        worker = await world.start(disk if kept else None)
        world.check_safety()
        for _ in range(2):
            await world.turn(worker)
        world.commit(worker)
        world.clock.advance(6)
    await world.finish(worker)
    world.check()


async def test_a_member_in_two_outcomes_of_one_record_ends_once(world: World) -> None:
    worker = await world.start()
    world.request("m0", "m1")
    await worker.collect()
    await worker.land()
    ends = [
        Outcome(Member(0, at), "openai", "m", world.clock.now_ms(), "batch_api", fault=Fault(ErrorCode.TIMEOUT, said))
        for at, said in ((0, "first"), (0, "second"), (1, "other"))
    ]
    world.record(
        work.Several(
            records=(work.Outcomes(job_id="j0", outcomes=(ends[0],)), work.Outcomes(job_id="j1", outcomes=tuple(ends[1:])))
        )
    )
    await world.finish(worker)
    world.check()
    assert world.result("m0")["error_detail"]["message"] == "first"
    assert world.result("m1")["error_detail"]["message"] == "other"


async def test_a_member_in_two_plans_of_one_record_is_in_the_first_alone(world: World) -> None:
    worker = await world.start()
    world.request("m0", "m1", "m2")
    await worker.collect()
    one, two = plan(members(2), model="gpt-6-luna"), plan(members(3), model="gpt-6-luna")
    world.record(work.Several(records=(work.JobPlanned(plan=one), work.JobPlanned(plan=two))))
    await worker.reconcile()
    assert sorted(job.plan.members for job in worker.view.state.jobs.values()) == [members(2), members(3)[2:]]
    await world.finish(worker)
    world.check()


async def settled(outbox: MemoryOutbox) -> None:
    await ModelWorker.settle()
    outbox.land()
    await ModelWorker.settle()


async def test_the_order_about_one_job_is_kept_and_a_record_stays_small(log: Log) -> None:
    outbox: Any = MemoryOutbox(log)
    work_log = WorkLog("work", outbox)
    claim = work.SubmitClaimed(job_id="a", worker_run="r", start_within_s=1.0, key_hash="k")
    said: list[work.WorkRecord] = [
        claim,
        work.Submitted(job_id="b", provider_job_id="p"),
        work.Submitted(job_id="a", provider_job_id="q"),  # of a job that is in the record already
        work.RequestsDone(offsets=(1,)),  # a kind that goes alone
        work.JobPlanned(plan=plan(members(MOST_A_RECORD - 1))),
        work.JobPlanned(plan=plan(members(2, 1))),  # too much for one record
    ]
    futures = [work_log.send(0, record) for record in said]
    assert not outbox.flying()
    await settled(outbox)
    found = [work.decode(record.value or b"") for record in log.read("work")]
    assert found == [work.Several(records=(claim, said[1])), *said[2:]]  # type: ignore[arg-type]
    assert [future.result().offset for future in futures] == [0, 0, 1, 2, 3, 4]
