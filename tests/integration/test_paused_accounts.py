"""An account that refuses is paused and the worker goes on: the other account answers, a try now and then finds out, and a
deadline that comes first ends in the account's own error. One worker for all cases, but where it is restarted."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.deployment import Deployment, deployment
from tests.harness.forked import forked_simulator

SPEND_LIMIT = {"fault": "status", "status": 429, "code": "enforced_spend_limit_reached", "rate": 1.0}
WRONG_KEY = {"fault": "status", "status": 401, "rate": 1.0}
OUTAGE = {"fault": "status", "status": 500, "rate": 1.0}
WORK = ("messages.create", "chat.completions.create", "batches.create", "files.create")
NIGHT_S = 15.0  # a slow machine takes some of them until the account has refused the first try


@pytest.fixture(scope="module")
def worked(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("paused")
    with (
        forked_simulator(batch_duration_s=0.1, judge_error_rate=0.0, ledger=folder / "ledger.sqlite") as simulator,
        deployment(
            kafka,
            f"t-{uuid.uuid4().hex[:8]}",
            folder,
            simulator,
            ROUNDBATCH_BACKOFF_FIRST_S="0.2",
            ROUNDBATCH_BACKOFF_MAX_S="1",
            # OpenAI's batches are nightly, a night each second, so that they have a deadline of their own.
            ROUNDBATCH_OPENAI__LLM_BATCHING_STRATEGY="nightly",
            ROUNDBATCH_OPENAI__NIGHTLY_CRON="* * * * * *",
            ROUNDBATCH_NIGHTLY_LONGEST_WAIT_S=str(NIGHT_S),
            ROUNDBATCH_ESCALATE_BEFORE_S="0",
        ) as made,
    ):
        made.worker()
        yield made
        assert made.workers[-1].stop() == 0


@pytest.fixture
def deployed(worked: Deployment) -> Iterator[Deployment]:
    """The shared worker; after each case the promises hold, and no fault is left for the next."""
    yield worked
    worked.simulator.clear_faults()
    worked.check_promises()
    assert worked.workers[-1].process.poll() is None


def rounds(deployed: Deployment, provider: str, mode: str) -> list[str]:
    """Two rounds of six; returns their correlation ids."""
    bodies = []
    for _ in range(2):
        batch = uuid.uuid4().hex[:8]
        bodies += [one := [deployed.body(provider, batch=batch, mode=mode) for _ in range(6)]]
        deployed.send_round(one)
    return [body["correlation_id"] for one in bodies for body in one]


def found(deployed: Deployment, ids: list[str]) -> dict[str, dict[str, Any]]:
    return {one.json["correlation_id"]: one.json["data"] for one in deployed.results() if one.json["correlation_id"] in ids}


def asked(deployed: Deployment, provider: str) -> int:
    return sum(call["provider"] == provider and call["endpoint"] in WORK for call in deployed.simulator.calls())


@pytest.mark.parametrize(
    ("mode", "fault", "reason", "restarts"),
    [
        ("provider_batch_api", WRONG_KEY, "key", False),
        ("per_request", SPEND_LIMIT, "quota", True),
        ("serial_bundle", OUTAGE, "down", False),
    ],
)
def test_it_waits_while_the_other_account_works_and_is_answered_when_a_try_succeeds(
    deployed: Deployment, mode: str, fault: dict[str, Any], reason: str, restarts: bool
) -> None:
    deployed.simulator.faults({**fault, "provider": "anthropic"})
    waiting = rounds(deployed, "anthropic", mode)
    is_paused = {"provider": "anthropic", "reason": reason}
    deployed.until(
        lambda: deployed.workers[-1].metric("roundbatch_account_paused", **is_paused) == 1.0, "the account is paused"
    )
    if restarts:
        assert deployed.workers[-1].stop() == 0
        deployed.worker()
        assert deployed.workers[-1].metric("roundbatch_account_paused", **is_paused) == 1.0

    working = rounds(deployed, "openai", "per_request")
    deployed.until(lambda: len(found(deployed, working)) == 12, "all are answered by the other account")
    assert all(data["winner"] for data in found(deployed, working).values())
    before, begun_s = asked(deployed, "anthropic"), time.monotonic()
    time.sleep(1.2)  # in which tries are counted: one a second at most by now, of 12 comparisons that wait
    assert asked(deployed, "anthropic") - before <= 2 + (time.monotonic() - begun_s) / 0.8
    assert not found(deployed, waiting)

    deployed.simulator.clear_faults()
    deployed.until(lambda: len(found(deployed, waiting)) == 12, "all that waited are answered")
    assert {data["winner"] for data in found(deployed, waiting).values()} == {"Essay A"}
    worker = deployed.workers[-1]
    assert worker.metric("roundbatch_account_paused", provider="anthropic") == 0.0
    assert worker.metric("roundbatch_account_probes_total", provider="anthropic", result="closed") >= 1


def test_a_deadline_in_the_pause_ends_in_the_accounts_own_error(deployed: Deployment) -> None:
    deployed.simulator.faults({**SPEND_LIMIT, "provider": "openai"})
    ids = rounds(deployed, "openai", "provider_batch_api")

    deployed.wait_answered()

    details = [data["error_detail"] for data in found(deployed, ids).values()]
    assert {detail["error_code"] for detail in details} == {"QUOTA_EXCEEDED"}
    assert all("enforced_spend_limit_reached" in detail["message"] for detail in details)
    assert {data["provider"] for data in found(deployed, ids).values()} == {"openai"}
