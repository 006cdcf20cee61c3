"""The interleavings of two processes with one name in the group: the partition of a process that sleeps, or that was thought to
be dead, is given to another process at once, and the generation stays.

Each is played as those of test_interleavings_comparisons.py, whose head says how.
"""

import pytest

from tests.model.begun import claiming
from tests.model.worker import ModelWorker
from tests.model.world import World


async def woken(world: World, sleeper: ModelWorker) -> None:
    """It goes on where it stood until Kafka tells it that it was replaced, which ends it. Even its commit is taken."""
    for _ in range(3):
        await sleeper.land()
        await sleeper.reconcile()
        await sleeper.collect()
        await sleeper.tick()
    await sleeper.land()
    world.commit(sleeper, by_name=True)
    await world.kill(sleeper)


@pytest.mark.parametrize("done", ["claim sent", "claim read back", "batch created", "fate unknown"])
@pytest.mark.parametrize("slept_s", [5, 300])
async def test_24_a_batch_is_paid_twice_when_a_claim_is_known_by_the_members_name(
    world: World, done: str, slept_s: int
) -> None:
    """The process that has the partition now finds a claim under its own name, and has not called upon it."""
    world.provider.fates.extend(["timeout"] if done == "fate unknown" else [])
    a = await claiming(world, "m0", "m1")
    await a.land("work")
    if done != "claim sent":
        await a.reconcile()
    if done in ("batch created", "fate unknown"):
        await a.land("jobs")
        assert len(world.provider.batches) == 1
    b = await world.start(same_name=True)
    await world.run(b, seconds=slept_s)
    await woken(world, a)
    await world.finish(b)
    world.check()
    assert world.provider.paid() == {"m0": 1, "m1": 1}
