"""What the dispatcher looks at again after a step."""

import asyncio

import pytest

from agents.jobs.attempt import Attempt
from tests.model.world import World


@pytest.mark.parametrize(("delay_s", "within_s"), [(None, 1.0), (7.0, 7.0)])
async def test_a_job_is_looked_at_again_also_when_a_record_is_to_lead_on(
    world: World, delay_s: float | None, within_s: float
) -> None:
    """The record may have been read and acked while the step that sent it still waited for its acknowledgement."""
    worker = await world.start()
    step: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
    step.set_result(delay_s)
    attempt = Attempt(3, "job")

    worker.parts.dispatcher._stepped(3, "job", attempt, step)  # type: ignore[arg-type]

    ((at_s, *key),) = worker.parts.due._heap
    assert key == [3, "job"]
    assert 0 < at_s - world.clock.running_s() <= within_s


async def test_the_first_poll_of_a_job_is_due_once(world: World) -> None:
    """Looked at for its Submitted and for the step that sent it, it was polled in two lines for all its life."""
    worker = await world.start(openai={"poll_first_s": 60})
    world.request("a")
    await world.run(worker, seconds=30.0)
    now_s = world.clock.running_s()
    assert [batch.job_id for batch in world.provider.batches] != []
    assert len([at_s for at_s, *_ in worker.parts.due._heap if at_s > now_s]) == 1
