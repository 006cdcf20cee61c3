"""Worker, `roundbatch explain FILE` and `roundbatch compare` plan alike: the same records give the same plans in all three."""

import random
import uuid
from collections import Counter
from typing import Any

import pytest

from cli.explain.forecast import forecast
from cli.round_records import RoundRecord
from compare.gathering import Gathering
from domain.job import ClosedBy, Plan, Transport
from settings.settings import Settings
from streams.wire import work
from streams.wire.request_events import round_event, single_event
from tests.model.provider import prompt
from tests.model.world import CALLBACK, World

SETTINGS: dict[str, dict[str, Any]] = {
    "rounds": {},
    "rounds that fill jobs": {"openai": {"max_job_items": 4}},
    "rounds that fill jobs by bytes": {"openai": {"max_job_bytes": 12_000}},
    "bundles": {"llm_batching_strategy": "serial_bundle", "openai": {"bundle_size": 5}},
    "bundles as lines": {"openai": {"batch_bundle_size": 3, "max_job_items": 2}},
    "nights": {"llm_batching_strategy": "nightly"},
    "nights that fill jobs": {"llm_batching_strategy": "nightly", "openai": {"max_job_items": 5}},
    "single calls": {"llm_batching_strategy": "per_request"},
}
ESSAYS = ["first essay", "second essay", "third essay", "fourth essay"]


def body(chance: random.Random, number: int) -> dict[str, Any]:
    """A request that may differ in whatever planning asks for, and may be one that is not asked at all."""
    name, (one, other) = f"m{number}", chance.sample(ESSAYS, 2)
    texts = ("Compare.", f"**Essay A (ID: {one}):**\n{one}", f"**Essay B (ID: {other}):**\n{other}", prompt(name))
    blocks = [{"content": text, "cacheable": False, "target": "user_content", "ttl": "5m"} for text in texts]
    metadata: dict[str, Any] = {"cj_batch_id": chance.choice(["a", "b", "c"]), "bos_batch_id": "bos"}
    if chance.random() < 0.3:
        metadata["preferred_bundle_size"] = chance.choice([1, 2, 3, 12])
    if chance.random() < 0.2:
        metadata["cj_llm_batching_mode"] = chance.choice(["per_request", "serial_bundle", "provider_batch_api", "other"])
    overrides: dict[str, Any] = {}
    if chance.random() < 0.3:
        overrides["model_override"] = "another-model"
    if chance.random() < 0.2:
        overrides["max_tokens_override"] = chance.choice([200, 300])
    return {
        "user_prompt": "" if chance.random() < 0.1 else "\n\n".join(texts),
        "prompt_blocks": blocks,
        "callback_topic": "elsewhere" if chance.random() < 0.1 else CALLBACK,
        "correlation_id": str(uuid.UUID(int=chance.choice([number, number, number, number // 2]))),
        "metadata": metadata,
        "llm_config_overrides": overrides,
    }


def values(chance: random.Random) -> list[bytes]:
    """Round records and single requests."""
    made: list[bytes] = []
    for record in range(6):
        bodies = [body(chance, 20 * record + place) for place in range(chance.randint(1, 12))]
        made.append(round_event(bodies) if chance.random() < 0.7 else single_event(bodies[0]))
    return made


async def plans_of_a_worker(world: World, records: list[bytes], settings: dict[str, Any]) -> list[Plan]:
    """What a worker sends that finds these records in its topic, until nothing is left to be closed."""
    for value in records:
        world.log.append(world.settings().request_topic, value)
    world.record(work.RequestsDone(offsets=()))  # until it is read the worker has not caught up, and closes nothing
    worker = await world.start(**settings)
    await worker.collect()
    await worker.land()
    for step_s in (0.0, worker.settings.quiet_s, 86_400.0):
        world.clock.advance(step_s)
        for _ in range(4):  # a plan is read back, then what it has left in its window is looked at
            await worker.reconcile()
            await worker.tick()
            await worker.land("work")
    planned = [record.plan for record in world.work_records() if isinstance(record, work.JobPlanned)]
    return [plan for plan in planned if plan.closed_by is not ClosedBy.REPLANNED]


def plans_of_compare(records: list[bytes], settings: Settings, now_ms: int) -> list[Plan]:
    """What the virtual worker of `compare` makes of them."""
    gathering = Gathering(settings)
    for value in records:
        gathering.take(value, now_ms)
    jobs = []
    while closed := gathering.close(now_ms):
        jobs += closed
    for at_ms in sorted(gathering.looks_ms()):
        jobs += gathering.close(at_ms)
    return [job.plan for job in jobs]


def told(plans: list[Plan]) -> Counter[tuple[Any, ...]]:
    """As `explain` tells of plans: for each window and model, what is sent."""
    found: Counter[tuple[Any, ...]] = Counter()
    for plan in plans:
        of = (plan.round_key, plan.provider, plan.model, plan.transport.value)
        found[*of, "jobs"] += plan.transport is Transport.BATCH
        found[*of, "calls"] += 0 if plan.transport is Transport.BATCH else len(plan.lines)
        for line in plan.lines:
            found[*of, "lines of", len(line)] += 1
    return +found


def told_by_explain(records: list[bytes], settings: Settings, now_ms: int) -> Counter[tuple[Any, ...]]:
    """What `explain` tells of the records."""
    found: Counter[tuple[Any, ...]] = Counter()
    for one in forecast([RoundRecord(b"", value, 0, 1, 1) for value in records], settings, now_ms).predictions:
        of = (one.window, one.provider, one.model, one.transport)
        found[*of, "jobs"] += one.batch_jobs
        found[*of, "calls"] += one.calls
        for size, lines in one.line_sizes.items():
            found[*of, "lines of", size] += lines
    return +found


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seed", range(3))
async def test_all_three_plan_alike(world: World, name: str, seed: int) -> None:
    records = values(random.Random(seed))
    now_ms = world.clock.now_ms()
    fields = {**SETTINGS[name], "partitions": 1}
    sent = await plans_of_a_worker(world, records, fields)
    settings = world.settings(**fields)
    assert sent
    assert sorted(sent, key=lambda plan: plan.lines) == sorted(
        plans_of_compare(records, settings, now_ms), key=lambda plan: plan.lines
    )
    assert told_by_explain(records, settings, now_ms) == told(sent)
