"""The interleavings of both modules of that name with Google as the provider, and how a lost batch of Google is found."""

import pytest
import structlog

from domain.absence import UNPROVEN_FACTOR
from domain.reply import ErrorCode
from providers.protocol import FailedBy
from tests.model.begun import claiming
from tests.model.test_interleavings_comparisons import *  # noqa: F403 - all of its tests, in the world of this file
from tests.model.test_interleavings_jobs import *  # noqa: F403 - likewise
from tests.model.world import GoogleWorld, World


@pytest.fixture
def world_class() -> type[World]:
    return GoogleWorld


async def test_12_what_is_certainly_absent_is_planned_again(world: World) -> None:
    """In place of its namesake: the list shows no batch at all, so that half an hour must pass between two looks at it."""
    world.provider.fates.append("lost")
    worker = await claiming(world, "m0", "m1")
    settle_s = worker.settings.testing.list_settle_s
    await world.run(worker, seconds=UNPROVEN_FACTOR * settle_s)
    assert world.provider.batches == []
    await world.finish(worker, seconds=3_600)
    world.check()
    assert world.provider.paid() == {"m0": 1, "m1": 1}


async def test_beside_an_older_batch_a_list_without_the_job_is_believed_sooner(world: World) -> None:
    worker = await world.start()
    world.request("older")
    await world.run(worker, seconds=20)
    world.provider.fates.append("lost")
    world.request("m0", "m1", batch="2")
    await world.run(worker, seconds=900, step_s=15)
    assert len({batch.job_id for batch in world.provider.batches}) == len(world.provider.batches) == 2
    await world.finish(worker)
    world.check()


async def test_of_two_batches_that_one_create_made_the_older_is_kept(world: World) -> None:
    """A proxy between us and the provider may send a request twice; the names of batches need not be unique."""
    world.provider.fates.append("twice")
    with structlog.testing.capture_logs() as logs:
        worker = await claiming(world, "m0", "m1")
        await world.run(worker, seconds=300)
        await world.finish(worker)
    world.check()
    kept, cancelled = world.provider.batches
    assert (bool(kept.rows), bool(cancelled.rows)) == (True, False)
    assert [(one["kept"], one["cancelled"]) for one in logs if one["event"] == "job_doubled"] == [("batch-0", "batch-1")]


async def test_a_row_that_comes_twice_counts_once(world: World) -> None:
    """The second one may be the answer to another prompt, under a wrong key."""
    world.provider.doubled = {"m1"}
    worker = await claiming(world, "m0", "m1")
    with structlog.testing.capture_logs() as logs:
        await world.finish(worker)
    world.check()
    assert world.result("m1")["winner"] == "Essay A"
    assert [one["rows"] for one in logs if one["event"] == "doubled_custom_ids"] == [1]


async def test_a_failed_batch_may_have_cost_something_and_is_counted(world: World) -> None:
    world.provider.failures.append(FailedBy.PROVIDER)
    worker = await claiming(world, "m0", "m1")
    with structlog.testing.capture_logs() as logs:
        await world.finish(worker)
    world.check()
    assert [(one["status"], one["comparisons"]) for one in logs if one["event"] == "batch_cost_unknown"] == [("failed", 2)]


@pytest.mark.parametrize("strategy", ["per_round", "serial_bundle"])
async def test_another_models_answer_is_an_error_that_names_it_and_is_not_asked_again(world: World, strategy: str) -> None:
    world.provider.answered_by = "gemini-3.5-flash-lite"
    worker = await world.start(llm_batching_strategy=strategy)
    world.request("m0")
    await world.finish(worker)
    world.check()
    result = world.result("m0")
    assert (result["winner"], result["model"]) == (None, "gemini-3.5-flash-lite")
    assert result["error_detail"]["error_code"] == ErrorCode.CONFIGURATION_ERROR
    assert "gemini-3.8-flash was asked, and google has gemini-3.5-flash-lite answer" in result["error_detail"]["message"]
    assert world.provider.tries == 1


async def test_a_dated_name_is_of_the_same_model(world: World) -> None:
    world.provider.answered_by = "models/gemini-3.8-flash-001"
    worker = await world.start()
    world.request("m0")
    await world.finish(worker)
    world.check()
    assert world.result("m0")["model"] == "gemini-3.8-flash"
