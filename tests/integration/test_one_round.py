"""One round, all the way, at both providers and by both strategies."""

import pytest

from tests.harness.deployment import Deployment

SIZE = 12


@pytest.mark.smoke
@pytest.mark.parametrize("strategy", ["per_round", "per_request"])
def test_a_round_at_each_provider_is_answered_once(deployed: Deployment, strategy: str) -> None:
    deployed.env["ROUNDBATCH_LLM_BATCHING_STRATEGY"] = strategy
    deployed.worker()
    for provider in ("anthropic", "openai"):
        deployed.send_round([deployed.body(provider, batch=f"b-{provider}") for _ in range(SIZE)])

    events = deployed.wait_answered()

    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}
    assert {event["data"]["winner"] for event in events.values()} <= {"Essay A", "Essay B"}
    assert {event["data"]["provider"] for event in events.values()} == {"anthropic", "openai"}
    ledger = deployed.simulator.ledger()
    mode = "batch_api" if strategy == "per_round" else "per_request"
    assert {event["data"]["request_metadata"]["queue_processing_mode"] for event in events.values()} == {mode}
    assert ledger["batches"] == (2 if strategy == "per_round" else 0)
    assert ledger["items_paid"] == 2 * SIZE
    assert deployed.workers[0].stop() == 0
