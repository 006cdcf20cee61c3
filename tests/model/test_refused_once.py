"""A 400 may be spurious: a comparison that is refused by itself is asked once more, and not a third time, restarts or none.

A parameter that the model does not take ends nobody: asked without it, no attempt is used.
"""

import pytest

from domain.reply import ErrorCode
from tests.model.world import World

STRATEGIES = ["per_request", "per_round"]


def code(world: World, name: str) -> str:
    error = world.result(name)["error_detail"]
    assert error["details"]["provider_error_message"] == "could not parse the JSON body"
    return str(error["error_code"])


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_one_refusal_ends_nobody(world: World, strategy: str) -> None:
    world.provider.endings["m1"].append("refused")
    worker = await world.start(llm_batching_strategy=strategy)
    world.request("m0", "m1", "m2")
    await world.finish(worker)
    world.check()
    assert [world.result(name)["winner"] for name in ("m0", "m1", "m2")] == ["Essay A"] * 3


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_second_refusal_ends_it_also_when_another_process_hears_it(world: World, strategy: str) -> None:
    world.provider.endings["m1"].extend(["refused"] * 5)
    worker = await world.start(llm_batching_strategy=strategy)
    world.request("m0", "m1", "m2")
    world.provider.ends_at_once = True
    while len(world.provider.endings["m1"]) > 4:
        await world.turn(worker)
        world.clock.advance(1)
    await worker.land()
    await worker.reconcile()  # the refusal is in the log, and has been read
    world.commit(worker)
    await world.kill(worker)
    await world.finish(await world.start(llm_batching_strategy=strategy))
    world.check()
    assert code(world, "m1") == ErrorCode.INVALID_REQUEST
    assert len(world.provider.endings["m1"]) == 3  # asked twice
    assert [world.result(name)["winner"] for name in ("m0", "m2")] == ["Essay A"] * 2


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_parameter_that_the_model_does_not_take_ends_nobody_and_uses_no_attempt(world: World, strategy: str) -> None:
    for name in ("m0", "m1", "m2"):
        world.provider.endings[name].append("parameter")
    worker = await world.start(llm_batching_strategy=strategy, attempts=1)
    world.request("m0", "m1", "m2")
    await world.finish(worker)
    world.check()
    assert [world.result(name)["winner"] for name in ("m0", "m1", "m2")] == ["Essay A"] * 3
    if strategy == "per_round":
        assert [parameter for _, parameter in world.provider.learnt] == ["temperature"]
        assert [len(batch.rows) for batch in world.provider.batches] == [3, 3]
