"""Rounds after a batch's first, under nightly: each waits for a night of its own, which is said and counted once a round."""

import uuid
from typing import Any

import structlog

from streams.wire.request_events import round_event, single_event
from tests.model.worker import METRICS, ModelWorker
from tests.model.world import CALLBACK, World


def body(batch: str, iteration: int | None, **metadata: Any) -> dict[str, Any]:
    name = str(uuid.uuid4())
    round_number = {} if iteration is None else {"comparison_iteration": iteration}
    return {
        "user_prompt": f"Compare the essays of <x{name[:8]}>.",
        "callback_topic": CALLBACK,
        "correlation_id": name,
        "metadata": {"essay_a_id": "a", "essay_b_id": "b", "cj_batch_id": batch, **round_number, **metadata},
    }


async def warned(world: World, worker: ModelWorker, *values: bytes) -> list[tuple[str, int]]:
    """Let a worker read these; the rounds and iterations that it warned of."""
    for value in values:
        world.log.append(world.settings().request_topic, value)
    before = counted()
    with structlog.testing.capture_logs() as logs:
        await worker.collect()
        await worker.land()
    found = [(entry["round"], entry["iteration"]) for entry in logs if entry["event"] == "nightly_iteration"]
    assert counted() - before == len(found)
    return found


def counted() -> float:
    return METRICS.registry.get_sample_value("roundbatch_nightly_iterations_total", {"provider": "openai"}) or 0.0


async def test_a_later_round_under_nightly_is_warned_about_once(world: World) -> None:
    worker = await world.start(llm_batching_strategy="nightly")
    assert await warned(world, worker, round_event([body("1", 0), body("1", None)])) == []
    two_parts = [round_event([body("1", 1), body("1", 1)], part, 2) for part in (1, 2)]
    assert await warned(world, worker, *two_parts) == [("cj:1:1", 1)]
    singles = [single_event(body("1", 2)) for _ in range(3)]
    assert await warned(world, worker, *singles) == [("cj:1:2", 2)]
    mixed = round_event([body("1", 1), body("2", 7), body("2", 0), body("2", 7)])
    assert await warned(world, worker, mixed) == [("cj:2:7", 7)]


async def test_a_mode_that_does_not_wait_for_a_night_is_not_warned_about(world: World) -> None:
    worker = await world.start(llm_batching_strategy="nightly")
    at_once = single_event(body("1", 3, cj_llm_batching_mode="per_request"))
    assert await warned(world, worker, at_once) == []
    rejected = {**body("1", 4), "user_prompt": ""}
    assert await warned(world, worker, single_event(rejected)) == []


async def test_other_strategies_are_not_warned_about(world: World) -> None:
    assert await warned(world, await world.start(), round_event([body("1", 3)])) == []
