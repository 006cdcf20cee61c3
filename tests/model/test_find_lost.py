"""A job of unknown fate beside batches that do not tell whose they are, or that tell that they are another's."""

from dataclasses import replace

from providers.openai.adapter import _candidate
from providers.protocol import Candidate
from tests.model.world import World


async def test_an_ended_batch_of_which_no_row_can_be_read_yet_may_be_the_job(world: World) -> None:
    """It was taken for another's for good, the job for absent, and paid again."""
    readable_ms = world.clock.now_ms() + 900_000
    candidates, owner = world.provider.candidates, world.provider.owner

    async def anonymous(claimed_ms: int) -> tuple[Candidate, ...]:
        return tuple(replace(one, job_id=None) for one in await candidates(claimed_ms))

    async def told_later(provider_job_id: str) -> str | None:
        return await owner(provider_job_id) if world.clock.now_ms() >= readable_ms else None

    world.provider.candidates, world.provider.owner = anonymous, told_later  # type: ignore[method-assign]
    world.provider.ends_at_once = True
    world.provider.fates.append("timeout")  # the batch is made, and its answer lost
    worker = await world.start()
    world.request("m0", "m1")
    await world.run(worker, seconds=1_800, step_s=15)
    await world.finish(worker)
    world.check()
    assert len(world.provider.batches) == 1


def test_a_batch_of_openai_without_our_metadata_is_known_to_be_anothers_while_it_runs() -> None:
    """Held to be perhaps ours, another application's batches kept a job that was never created unknown for hours."""
    batch = {"id": "batch_1", "created_at": 1_800_000_000, "status": "in_progress", "request_counts": {"total": 1}}
    assert _candidate({**batch, "metadata": None}).job_id == ""
    assert _candidate({**batch, "metadata": {"customer": "7"}}).job_id == ""
