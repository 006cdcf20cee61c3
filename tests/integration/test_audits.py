"""Shadow audits at both providers, in batches and behind calls: counted once, and no event and no result's cost is theirs."""

import json
import signal
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.harness.deployment import Deployment
from tests.harness.worker import WorkerProcess

PROVIDERS = ("anthropic", "openai")


def wait_counted(deployed: Deployment, worker: WorkerProcess, audits: int) -> None:
    """Every complete audit has a value of `position`."""

    def counted() -> list[float]:
        return [worker.metric("roundbatch_audit_counts", provider=provider, test="position") for provider in PROVIDERS]

    deployed.until(lambda: counted() == [audits, audits], f"{audits} audits are counted at each provider")


def quality(deployed: Deployment, *arguments: str, expected: int) -> dict[str, Any]:
    """What `roundbatch quality` prints, with the worker's own settings."""
    done = CliRunner(env=deployed.environment()).invoke(app, ["quality", *arguments, "--json"])
    assert done.exit_code == expected, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check_quality(deployed: Deployment, worker: WorkerProcess, audits: int, usd: float) -> None:
    """`roundbatch quality` tells of these audits and what they have cost, and of a limit, which the worker learns too."""
    told = quality(deployed, expected=4)
    assert {model["provider"]: model["shown"]["audits"] for model in told["models"]} == dict.fromkeys(PROVIDERS, audits)
    assert {model["finding"] for model in told["models"]} == {"not known yet"}
    assert told["usd"] == pytest.approx(usd, rel=1e-6)

    model = next(one["model"] for one in told["models"] if one["provider"] == "openai")
    quality(deployed, "limit", model, "--most", "3", "--provider", "openai", "--yes", expected=0)
    deployed.until(
        lambda: worker.metric("roundbatch_bundle_limit", provider="openai", model=model) == 3, "the worker knows the limit"
    )
    limits = {one["provider"]: one["limit"] for one in quality(deployed, expected=4)["models"]}
    assert limits == {"anthropic": None, "openai": 3}


def send_rounds(deployed: Deployment) -> None:
    for provider in PROVIDERS:
        deployed.send_round([deployed.body(provider, batch=f"b-{provider}", size=12) for _ in range(12)], partition=0)


def test_behind_calls_of_bundles(deployed: Deployment) -> None:
    deployed.env |= {"ROUNDBATCH_AUDIT__SHARE": "10", "ROUNDBATCH_LLM_BATCHING_STRATEGY": "serial_bundle"}
    first = deployed.worker()
    send_rounds(deployed)
    events = deployed.wait_answered()
    wait_counted(deployed, first, 2)

    assert set(deployed.events_per_id().values()) == {1}
    ledger = deployed.simulator.ledger()
    assert ledger["items_paid"] == len(events) + len(PROVIDERS) * 6
    of_results = sum(event["data"]["cost_estimate"] for event in events.values())
    of_audits = first.metric("roundbatch_audit_cost_usd_total")
    assert of_audits > 0
    assert of_results + of_audits == pytest.approx(ledger["cost_usd"], rel=1e-6)

    first.kill()
    deployed.forget_ended()
    second = deployed.worker(state="b")
    wait_counted(deployed, second, 2)  # its tables are restored from their changelogs
    check_quality(deployed, second, 2, of_audits)


def test_in_batches_whose_worker_is_killed_when_it_reads_what_they_brought(deployed: Deployment) -> None:
    deployed.env |= {"ROUNDBATCH_AUDIT__SHARE": "10"}
    first = deployed.worker("a", {"ROUNDBATCH_CRASH_AT": "before_audited_put"})
    send_rounds(deployed)
    assert first.wait_exit() == -signal.SIGKILL
    deployed.forget_ended()
    second = deployed.worker("b", ready=False)
    events = deployed.wait_answered()
    wait_counted(deployed, second, 12)

    assert len(events) == 24
    assert len({record.value for record in deployed.results()}) == 24
    ledger = deployed.simulator.ledger()
    assert ledger["items_paid"] == len(events) + len(PROVIDERS) * 24
    assert ledger["batches"] == 2
