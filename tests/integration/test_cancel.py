"""Cancelling on real Kafka, with what `roundbatch jobs` and `roundbatch explain` say before and after."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.harness.deployment import Deployment

PROVIDERS = ("anthropic", "openai")


def roundbatch(deployed: Deployment, *arguments: str) -> dict[str, Any]:
    """The JSON that a command prints, with the worker's own settings."""
    done = CliRunner(env=deployed.environment()).invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def jobs(deployed: Deployment) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = roundbatch(
        deployed, "jobs", *(f"--url=http://127.0.0.1:{one.health_port}" for one in deployed.workers)
    )["jobs"]
    return found


def statuses(deployed: Deployment) -> dict[str, int]:
    found = [batch["status"] for batch in deployed.simulator.batches()]
    return {status: found.count(status) for status in found}


def wait_until(deployed: Deployment, wanted: dict[str, int]) -> None:
    """Wait until the simulator's batches stand so."""
    deployed.until(lambda: statuses(deployed) == wanted, f"the batches are {wanted}")


@pytest.mark.parametrize("polled", [True, False], ids=["polled", "never polled"])
def test_a_cancelled_batch_ends_in_events_and_at_the_provider(deployed: Deployment, polled: bool) -> None:
    if not polled:
        deployed.env |= {
            f"ROUNDBATCH_{name.upper()}__POLL_{which}_S": "600" for name in PROVIDERS for which in ("FIRST", "MAX")
        }
    deployed.simulator.hold()
    deployed.worker()
    rounds = {name: [deployed.body(name, batch=f"unwanted-{name}") for _ in range(4)] for name in PROVIDERS}
    for bodies in rounds.values():
        deployed.send_round(bodies)
    wait_until(deployed, {"running": 2})
    # Between the create and the reading of its Submitted a job is claimed.
    deployed.until(lambda: {job["state"] for job in jobs(deployed)} == {"submitted"}, "both jobs are submitted")
    shown = jobs(deployed)
    assert {job["provider"]: (job["open_members"], job["at_provider"]["phase"]) for job in shown} == {
        "anthropic": (4, "running"),
        "openai": (4, "running"),
    }
    ids = {name: [one["correlation_id"] for one in bodies] for name, bodies in rounds.items()}

    table = CliRunner(env=deployed.environment()).invoke(
        app, ["jobs", f"--url=http://127.0.0.1:{deployed.workers[0].health_port}"]
    )
    assert "2 open jobs, 8 comparisons pending, 2 partitions" in table.output

    alone = ids["openai"][0]
    told = roundbatch(deployed, "cancel", "unwanted-anthropic", alone, "--yes")
    assert told["partitions"] == 2
    wait_until(deployed, {"cancelled": 1, "running": 1})
    (left,) = jobs(deployed)
    assert (left["provider"], left["open_members"]) == ("openai", 3)
    life = roundbatch(deployed, "explain", ids["openai"][1])
    assert [step["what"] for step in life["steps"]] == ["requested", "planned", "claimed", "submitted"]
    assert life["standing"].endswith(f"submitted as {left['provider_job_id']}")

    roundbatch(deployed, "cancel", "unwanted-openai", "--yes")
    events = deployed.wait_answered()
    wait_until(deployed, {"cancelled": 2})

    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}
    assert {event["data"]["error_detail"]["error_code"] for event in events.values()} == {"SERVICE_UNAVAILABLE"}
    assert {event["data"]["provider"] for event in events.values()} == set(PROVIDERS)
    assert deployed.simulator.ledger()["items_paid"] == 0
    assert jobs(deployed) == []
    life = roundbatch(deployed, "explain", alone)
    whats = [step["what"] for step in life["steps"]]
    assert (whats[:5], life["standing"]) == (["requested", "planned", "claimed", "submitted", "cancel"], "ended")
    assert {"outcome", "event"} <= set(whats)
    (event,) = [step for step in life["steps"] if step["what"] == "event"]
    assert event["topic"] == deployed.result_topic
    assert event["said"].startswith("SERVICE_UNAVAILABLE: cancelled on request, event id ")

    table = CliRunner(env=deployed.environment()).invoke(app, ["explain", alone, "--since", "2026-01-01"])
    assert f"{alone}: ended" in table.output
    unknown = CliRunner(env=deployed.environment()).invoke(app, ["explain", alone, "--since", "2999-01-01T00:00:00+00:00"])
    assert unknown.exit_code == 1


def test_a_cancel_that_failed_is_made_by_the_next_worker(deployed: Deployment) -> None:
    deployed.env |= {"ROUNDBATCH_LONGEST_WAIT_S": "10", "ROUNDBATCH_ESCALATE_BEFORE_S": "0"}  # submitted within it
    deployed.simulator.hold()
    deployed.simulator.faults(fault="status", status=500, endpoint="batches.cancel", next=2)
    first = deployed.worker()
    for name in PROVIDERS:
        deployed.send_round([deployed.body(name, batch=f"late-{name}") for _ in range(4)])
    events = deployed.wait_answered()
    deployed.until(lambda: first.log_path.read_text().count("job_not_cancelled") >= len(PROVIDERS), "both cancels have failed")
    assert first.stop() == 0  # what it has decided is committed
    assert statuses(deployed) == {"running": 2}

    deployed.worker(ready=False)
    wait_until(deployed, {"cancelled": 2})

    assert {event["data"]["error_detail"]["error_code"] for event in events.values()} == {"TIMEOUT"}
    deployed.check_promises()
