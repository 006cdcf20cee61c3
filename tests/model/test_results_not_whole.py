"""Ended batches whose rows do not all come, in the whole worker: read again, then booked as lost and asked by calls."""

from collections import Counter

import pytest

from domain.reconciling import JobEnd
from domain.reply import ErrorCode, Usage
from providers.prices import LISTED
from providers.protocol import FailedBy
from streams.wire import work
from tests.model.log import START_MS
from tests.model.worker import ModelWorker
from tests.model.world import World

MODEL = "gpt-6-luna"
PAID = LISTED.cost_usd("openai", MODEL, Usage(100, 10), batch=True) or 0.0  # what the model's answer costs in a batch
CALLED = LISTED.cost_usd("openai", MODEL, Usage(100, 10), batch=False) or 0.0
MOST = (
    LISTED.most_usd("openai", MODEL, batch=True, prompt_tokens=830, output_tokens=400) or 0.0
)  # ceil((27 + 2048) / 2.5) and 400
NAMES = ("m0", "m1", "m2", "m3")
UNTIL_GIVEN_UP_S = 12_600 - 1_800  # longest_wait_s, escalate_before_s


def ends(world: World) -> list[tuple[JobEnd, str]]:
    return [(record.reason, record.message) for record in world.work_records() if isinstance(record, work.JobEnded)]


def spent(worker: ModelWorker) -> float:
    """USD booked in all, be it for comparisons that are still pending or not."""
    return worker.view.state.payments.since(START_MS)


async def submitted(world: World) -> ModelWorker:
    """A round whose one batch has been submitted and has ended."""
    worker = await world.start()
    world.provider.ends_at_once = True
    world.request(*NAMES)
    await world.run(worker, seconds=4, step_s=2)
    assert len(world.provider.batches) == 1
    return worker


async def test_what_came_is_used_at_once_and_what_did_not_is_read_again(world: World) -> None:
    world.provider.withheld = {"m1", "m3"}
    worker = await submitted(world)
    await world.run(worker, seconds=3 * 3600 - 600, step_s=60)
    assert set(world.events()) == {"m0", "m2"}
    assert not ends(world)
    world.provider.withheld.clear()
    await world.finish(worker)
    world.check()
    assert world.provider.paid() == dict.fromkeys(NAMES, 1)
    assert not world.provider.calls
    assert not ends(world)  # every member has its outcome: there is nothing left that an end could plan
    assert spent(worker) == pytest.approx(4 * PAID)


@pytest.mark.parametrize("gone", [True, False])
async def test_what_never_comes_is_booked_as_paid_and_asked_again_by_calls_before_the_deadline(
    world: World, gone: bool
) -> None:
    world.provider.gone, world.provider.withheld = gone, {"m1", "m3"}
    lost = {*NAMES} if gone else {"m1", "m3"}
    worker = await submitted(world)
    await world.run(worker, seconds=UNTIL_GIVEN_UP_S - 60, step_s=60)
    assert set(world.events()) == {*NAMES} - lost
    assert not ends(world)
    assert not world.provider.calls
    await world.finish(worker)
    world.check()
    assert world.provider.calls == Counter(lost)
    assert {world.result(name)["winner"] for name in NAMES} == {"Essay A"}
    assert len(world.provider.batches) == 1
    assert ends(world)[0] == (JobEnd.ESCALATED, f"its results are lost: {len(lost)} answers did not come")
    read = (len(NAMES) - len(lost)) * PAID
    assert spent(worker) == pytest.approx(read + len(lost) * (MOST + CALLED))


async def test_a_restart_reads_on_and_asks_nothing_again(world: World) -> None:
    world.provider.withheld = {"m1"}
    worker = await submitted(world)
    await world.run(worker, seconds=600, step_s=60)
    world.commit(worker)
    again = await world.start(await world.kill(worker))
    await world.run(again, seconds=600, step_s=60)
    world.provider.withheld.clear()
    await world.finish(again)
    world.check()
    assert not world.provider.calls


async def test_what_was_booked_as_lost_is_not_booked_again_after_a_crash(world: World) -> None:
    """Killed between the outcomes that book it and the end of the job."""
    world.provider.gone = True
    worker = await submitted(world)
    await world.run(worker, seconds=UNTIL_GIVEN_UP_S - 60, step_s=60)
    world.commit(worker)
    world.clock.advance(400)
    for _ in range(20):  # until the outcomes have been read, and JobEnded is in flight
        await worker.tick()
        await worker.land(worker.settings.work_topic, most=1)
        if isinstance(world.work_records()[-1], work.Outcomes):
            break
    assert isinstance(world.work_records()[-1], work.Outcomes)
    again = await world.start(await world.kill(worker))
    await world.finish(again, seconds=1500)
    world.check()
    assert world.provider.calls == Counter(NAMES)
    assert spent(again) == pytest.approx(4 * (MOST + CALLED))


async def test_answers_that_are_all_there_are_believed_whatever_is_counted(world: World) -> None:
    """A count that is too high for good: every line has its row, so nothing is waited for."""
    world.provider.surplus = 1
    worker = await submitted(world)
    await world.run(worker, seconds=60)
    assert set(world.events()) == {*NAMES}
    await world.finish(worker)
    world.check()


@pytest.mark.parametrize("creates", [1, 5])
async def test_an_input_file_that_is_not_known_yet_uses_up_no_claim(world: World, creates: int) -> None:
    worker = await world.start()
    world.provider.unknown_files = creates
    world.request(*NAMES)
    await world.finish(worker)
    world.check()
    assert sum(isinstance(record, work.SubmitClaimed) for record in world.work_records()) == 1
    assert len(world.provider.batches) == 1
    assert not ends(world)


async def test_beyond_its_claim_a_file_that_is_not_known_is_tried_again_whole(world: World) -> None:
    worker = await world.start()
    world.provider.unknown_files = 2
    world.provider.while_unknown = lambda: world.clock.advance(100.0)  # the claim holds 130 s
    world.request(*NAMES)
    await world.finish(worker)
    world.check()
    assert [reason for reason, _ in ends(world)] == [JobEnd.STARTED_LATE]
    assert [len(batch.rows) for batch in world.provider.batches] == [4]


async def test_a_claim_is_given_back_when_the_partition_goes_while_its_file_is_not_known(world: World) -> None:
    worker = await world.start()
    world.provider.unknown_files = 1
    world.provider.while_unknown = worker.revoke
    world.request(*NAMES)
    for _ in range(30):
        if worker.views.view is None:
            break
        await world.turn(worker)
    await worker.land()
    other = await world.start()
    await world.finish(other)
    world.check()
    assert [reason for reason, _ in ends(world)] == [JobEnd.NOT_STARTED]


@pytest.mark.parametrize(
    ("failed_by", "sizes"), [(FailedBy.PROVIDER, [0, 4]), (FailedBy.ACCOUNT, [0, 4]), (FailedBy.CONTENT, [0, 2, 2])]
)
async def test_a_failed_validation_falls_apart_only_by_its_content(world: World, failed_by: FailedBy, sizes: list[int]) -> None:
    worker = await world.start()
    world.provider.failures.append(failed_by)
    world.request(*NAMES)
    await world.finish(worker)
    world.check()
    assert [len(batch.rows) for batch in world.provider.batches] == sizes


async def test_a_validation_that_always_fails_by_itself_refuses_nobody(world: World) -> None:
    worker = await world.start()
    world.provider.failures.extend([FailedBy.PROVIDER] * 100)
    world.request(*NAMES)
    await world.finish(worker, seconds=12_000, step_s=60)
    world.check()
    assert world.provider.calls == Counter(NAMES)
    assert ErrorCode.INVALID_REQUEST not in {
        record.code for record in world.work_records() if isinstance(record, work.JobEnded)
    }
