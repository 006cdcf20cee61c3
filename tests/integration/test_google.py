"""Google as the provider, on a real Kafka: calls, bundles, a batch, and a batch whose create was not answered."""

from typing import Any

import pytest

from tests.harness.deployment import Deployment

SIZE = 6
MODES = {"calls": "per_request", "bundles": "serial_bundle", "batch": "provider_batch_api"}


def test_every_way_to_send_and_a_lost_create_that_is_found_by_its_name(deployed: Deployment) -> None:
    deployed.env["GOOGLE_API_KEY"] = "key-g"
    worker = deployed.worker()
    simulator = deployed.simulator
    rounds: dict[str, list[dict[str, Any]]] = {}
    for name, mode in MODES.items():
        rounds[name] = [deployed.body("google", batch=name, mode=mode, size=SIZE) for _ in range(SIZE)]
        deployed.send_round(rounds[name])
    deployed.until(lambda: len(simulator.batches()) == 1, "the batch is made")
    simulator.faults(provider="google", endpoint="batches.create", next=1, fault="hang")
    rounds["lost"] = [deployed.body("google", batch="lost", mode="provider_batch_api", size=SIZE) for _ in range(SIZE)]
    deployed.send_round(rounds["lost"])

    events = deployed.wait_answered()

    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}
    data = {name: [events[body["correlation_id"]]["data"] for body in bodies] for name, bodies in rounds.items()}
    assert {one["winner"] for answers in data.values() for one in answers} <= {"Essay A", "Essay B"}
    assert {(one["provider"], one["model"]) for answers in data.values() for one in answers} == {("google", "gemini-3.8-flash")}
    assert {name: answers[0]["request_metadata"]["queue_processing_mode"] for name, answers in data.items()} == {
        "calls": "per_request",
        "bundles": "serial_bundle",
        "batch": "batch_api",
        "lost": "batch_api",
    }
    ledger = simulator.ledger()
    assert (ledger["batches"], ledger["batch_items_paid"], ledger["call_items_paid"]) == (2, 2 * SIZE, 2 * SIZE)
    assert ledger["batch_items_paid_again"] == 0
    assert sum(one["cost_estimate"] for answers in data.values() for one in answers) == pytest.approx(ledger["cost_usd"])
    creates = [call for call in simulator.calls() if call["endpoint"] == "batches.create"]
    assert len(creates) == 2
    assert worker.metric("roundbatch_unknown_jobs_total", provider="google", fate="adopted") == 1
    assert worker.stop() == 0
