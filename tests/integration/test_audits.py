"""Shadow audits at both providers, in batches and behind calls: counted once, and no event and no result's cost is theirs."""

import pytest

from tests.harness.deployment import Deployment
from tests.harness.worker import WorkerProcess

PROVIDERS = ("anthropic", "openai")


def wait_counted(deployed: Deployment, worker: WorkerProcess, audits: int) -> None:
    """Every complete audit has a value of `position`."""

    def counted() -> list[float]:
        return [worker.metric("roundbatch_audit_counts", provider=provider, test="position") for provider in PROVIDERS]

    deployed.until(lambda: counted() == [audits, audits], f"{audits} audits are counted at each provider")


@pytest.mark.parametrize(
    ("strategy", "audits", "shadows"), [("per_round", 12, 24), ("serial_bundle", 2, 6)], ids=["batches", "bundles in calls"]
)
def test_audits_are_counted_once_and_change_no_event(deployed: Deployment, strategy: str, audits: int, shadows: int) -> None:
    deployed.env |= {"ROUNDBATCH_AUDIT__SHARE": "10", "ROUNDBATCH_LLM_BATCHING_STRATEGY": strategy}
    first = deployed.worker()
    for provider in PROVIDERS:
        deployed.send_round([deployed.body(provider, batch=f"b-{provider}", size=12) for _ in range(12)], partition=0)
    events = deployed.wait_answered()
    wait_counted(deployed, first, audits)

    assert set(deployed.events_per_id().values()) == {1}
    ledger = deployed.simulator.ledger()
    assert ledger["items_paid"] == len(events) + len(PROVIDERS) * shadows
    of_results = sum(event["data"]["cost_estimate"] for event in events.values())
    of_audits = first.metric("roundbatch_audit_cost_usd_total")
    assert of_audits > 0
    assert of_results + of_audits == pytest.approx(ledger["cost_usd"], rel=1e-6)

    first.kill()
    deployed.forget_ended()
    wait_counted(deployed, deployed.worker(state="b"), audits)  # its tables are restored from their changelogs
