"""A budget of the day holds what exceeds it, the provider's own bill stays below it, and both are so after a restart."""

import uuid
from pathlib import Path
from typing import Any

from domain.cutting import BYTES_PER_TOKEN, LINE_OVERHEAD_BYTES
from providers.prices import LISTED
from tests.harness.deployment import Deployment, deployment
from tests.harness.forked import forked_simulator

SIZE = 6
OUTPUT_TOKENS = 400


def a_round(deployed: Deployment) -> list[dict[str, Any]]:
    batch = uuid.uuid4().hex[:8]
    return [deployed.body("anthropic", batch=batch) for _ in range(SIZE)]


def at_most(bodies: list[dict[str, Any]]) -> float:
    """What a batch job of these reserves."""
    tokens = sum(-(-(len(body["user_prompt"].encode()) + LINE_OVERHEAD_BYTES) // BYTES_PER_TOKEN) for body in bodies)
    usd = LISTED.most_usd(
        "anthropic", "claude-haiku-5-5", batch=True, prompt_tokens=int(tokens), output_tokens=SIZE * OUTPUT_TOKENS
    )
    assert usd
    return usd


def wait_held(deployed: Deployment, comparisons: int) -> float:
    """Wait until so many comparisons wait for money; returns what was spent by then."""
    worker = deployed.workers[-1]
    deployed.until(
        lambda: worker.metric("roundbatch_budget_held_comparisons") == comparisons, f"{comparisons} comparisons wait for money"
    )
    return worker.metric("roundbatch_budget_day_usd", kind="spent")


def test_the_day_holds_what_exceeds_it_and_after_a_restart_too(kafka: str, tmp_path: Path) -> None:
    with (
        forked_simulator(batch_duration_s=0.1, judge_error_rate=0.0, ledger=tmp_path / "ledger.sqlite") as simulator,
        deployment(kafka, f"t-{uuid.uuid4().hex[:8]}", tmp_path, simulator) as deployed,
    ):
        first, second = a_round(deployed), a_round(deployed)
        budget = {"ROUNDBATCH_BUDGET__DAY_USD": repr(max(at_most(first), at_most(second)))}
        deployed.worker(**budget)
        deployed.send_round(first)
        deployed.wait_answered()
        deployed.send_round(second)
        spent = wait_held(deployed, SIZE)
        assert 0 < spent < float(budget["ROUNDBATCH_BUDGET__DAY_USD"])

        assert deployed.workers[-1].stop() == 0
        deployed.worker("lost", **budget)  # another state directory: all it knows is from the log
        assert wait_held(deployed, SIZE) == spent
        assert simulator.ledger()["batches"] == 1
        costs = {one.json["correlation_id"]: one.json["data"]["cost_estimate"] for one in deployed.results()}
        assert costs.keys() == {body["correlation_id"] for body in first}
        assert abs(sum(costs.values()) - spent) < 1e-9
