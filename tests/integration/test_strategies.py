"""Every strategy at both providers, from request to result."""

import time
from typing import Any

import pytest

from tests.harness.deployment import Deployment
from tests.waiting import until

PROVIDERS = ("anthropic", "openai")
TICK_S = 10


def rounds(deployed: Deployment, size: int = 12) -> dict[str, str]:
    """One round a provider; the better essay by correlation id. It varies, so that an answer in a wrong slot shows."""
    better: dict[str, str] = {}
    for provider in PROVIDERS:
        bodies = []
        for number in range(size):
            first = number % 3 != 1
            quality = (0.9, 0.1) if first else (0.1, 0.9)
            bodies.append(deployed.body(provider, batch=f"b-{provider}", size=size, quality=quality))
            better[bodies[-1]["correlation_id"]] = "Essay A" if first else "Essay B"
        deployed.send_round(bodies)
    return better


def winners(events: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {one: event["data"]["winner"] for one, event in events.items()}


@pytest.mark.parametrize("layout", ["verbatim", "shared_essays"])
def test_bundles_of_eight_answer_a_round_in_two_calls(deployed: Deployment, layout: str) -> None:
    deployed.env |= {f"ROUNDBATCH_{name.upper()}__BUNDLE_LAYOUT": layout for name in PROVIDERS}
    deployed.env["ROUNDBATCH_LLM_BATCHING_STRATEGY"] = "serial_bundle"
    deployed.worker()
    better = rounds(deployed)
    events = deployed.wait_answered()

    deployed.check_promises()
    assert winners(events) == better
    assert {event["data"]["request_metadata"]["queue_processing_mode"] for event in events.values()} == {"serial_bundle"}
    ledger = deployed.simulator.ledger()
    assert ledger["http_operations"] == 4
    cost = sum(event["data"]["cost_estimate"] for event in events.values())
    assert cost == pytest.approx(ledger["cost_usd"], rel=1e-6)


def test_two_bad_items_of_a_bundle_of_twelve_are_asked_again_alone(deployed: Deployment) -> None:
    deployed.env |= {f"ROUNDBATCH_{name.upper()}__BUNDLE_SIZE": "12" for name in PROVIDERS}
    deployed.env["ROUNDBATCH_LLM_BATCHING_STRATEGY"] = "serial_bundle"
    deployed.worker()
    deployed.simulator.faults(fault="invalid", next=2, provider="openai")
    deployed.send_round([deployed.body("openai", batch="b", size=12) for _ in range(12)])
    events = deployed.wait_answered()

    deployed.check_promises()
    assert all(event["data"]["winner"] for event in events.values())
    assert deployed.simulator.ledger()["items_paid"] == 14  # the good ten were settled at once, two paid again, no more


def test_nightly_gathers_rounds_and_survives_a_restart(deployed: Deployment) -> None:
    deployed.env |= {f"ROUNDBATCH_{name.upper()}__NIGHTLY_CRON": f"*/{TICK_S} * * * * *" for name in PROVIDERS}
    deployed.env["ROUNDBATCH_LLM_BATCHING_STRATEGY"] = "nightly"
    first = deployed.worker()
    until(lambda: time.time() % TICK_S < 2.0, "a tick has just been, so that none comes while the rounds are sent")
    for provider in PROVIDERS:
        for batch in ("x", "y"):  # one partition, so that both rounds are in one window
            bodies = [deployed.body(provider, batch=f"{batch}-{provider}") for _ in range(6)]
            deployed.send_round(bodies, partition=0)
    first.kill()
    deployed.forget_ended()
    deployed.worker()
    events = deployed.wait_answered()

    deployed.check_promises()
    assert len(events) == 24
    assert deployed.simulator.ledger()["batches"] == 2


def test_bundles_as_lines_of_a_batch_job_cost_half_and_fewer_operations(deployed: Deployment) -> None:
    deployed.env |= {f"ROUNDBATCH_{name.upper()}__BATCH_BUNDLE_SIZE": "4" for name in PROVIDERS}
    deployed.worker()
    better = rounds(deployed)
    events = deployed.wait_answered()

    deployed.check_promises()
    assert winners(events) == better
    assert {event["data"]["request_metadata"]["queue_processing_mode"] for event in events.values()} == {"batch_api"}
    assert deployed.simulator.ledger()["batches"] == 2


def test_a_batch_near_its_deadline_is_cancelled_and_the_rest_called(deployed: Deployment) -> None:
    deployed.env |= {"ROUNDBATCH_LONGEST_WAIT_S": "20", "ROUNDBATCH_ESCALATE_BEFORE_S": "10"}
    deployed.simulator.hold()
    deployed.worker()
    rounds(deployed, size=6)
    events = deployed.wait_answered()

    deployed.check_promises()
    assert all(event["data"]["winner"] for event in events.values())
    assert {event["data"]["request_metadata"]["queue_processing_mode"] for event in events.values()} == {"per_request"}
    assert deployed.simulator.ledger()["call_items_paid"] == 12


def test_results_that_are_gone_for_good_are_booked_as_lost_and_called_before_the_deadline(deployed: Deployment) -> None:
    deployed.env |= {"ROUNDBATCH_LONGEST_WAIT_S": "24", "ROUNDBATCH_ESCALATE_BEFORE_S": "9"}
    deployed.env |= {f"ROUNDBATCH_{name.upper()}__POLL_MAX_S": "1" for name in PROVIDERS}
    for endpoint in ("batches.results", "files.content"):
        deployed.simulator.faults(fault="not_found", rate=1.0, endpoint=endpoint)
    worker = deployed.worker()
    rounds(deployed, size=4)
    events = deployed.wait_answered()

    assert all(event["data"]["winner"] for event in events.values())
    assert {event["data"]["request_metadata"]["queue_processing_mode"] for event in events.values()} == {"per_request"}
    assert set(deployed.events_per_id().values()) == {1}
    ledger = deployed.simulator.ledger()
    assert (ledger["batches"], ledger["batch_items_paid"], ledger["call_items_paid"]) == (2, 8, 8)
    assert [worker.metric("roundbatch_results_lost_total", provider=one) for one in PROVIDERS] == [4, 4]
    assert all(worker.metric("roundbatch_results_lost_usd_total", provider=one) > 0 for one in PROVIDERS)


def test_overrides_that_a_model_does_not_take_end_nobody(deployed: Deployment) -> None:
    worker = deployed.worker()
    for mode in ("per_round", "per_request", "serial_bundle"):
        for model, overrides in {
            "gpt-5.1": {"temperature_override": 0.1},  # what CJ sends by default
            "gpt-5-mini": {"temperature_override": 0.1},  # known to take none
            "gpt-4.1": {"temperature_override": 0.1, "output_verbosity": "low"},  # refuses it, as the worker is to learn
        }.items():
            bodies = [deployed.body("openai", batch=f"{mode}-{model}", size=4, mode=mode, model=model) for _ in range(4)]
            for body in bodies:
                body["llm_config_overrides"] |= overrides
            deployed.send_round(bodies)
    events = deployed.wait_answered()

    deployed.check_promises()
    assert winners(events) == dict.fromkeys(deployed.sent, "Essay A")
    modes = [event["data"]["request_metadata"]["queue_processing_mode"] for event in events.values()]
    assert sorted(modes) == ["batch_api"] * 12 + ["per_request"] * 12 + ["serial_bundle"] * 12
    assert worker.metric("roundbatch_temperatures_dropped_total", provider="openai", model="gpt-5-mini") > 0
    assert worker.metric("roundbatch_temperatures_dropped_total", provider="openai", model="gpt-5.1") == 0
