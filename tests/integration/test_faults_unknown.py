"""Batch creates of unknown fate: what was made is found, what was not is made again, and nothing is paid twice."""

import signal
from typing import Any

from tests.harness.deployment import Deployment

PROVIDERS = ("anthropic", "openai")


def outcomes(events: dict[str, dict[str, Any]], bodies: list[dict[str, Any]]) -> list[str]:
    found = [events[body["correlation_id"]]["data"] for body in bodies]
    return ["answered" if data["winner"] else data["error_detail"]["error_code"] for data in found]


def test_creates_of_unknown_fate_are_adopted_or_found_absent_at_both_providers(deployed: Deployment) -> None:
    worker = deployed.worker()
    simulator = deployed.simulator
    rounds: dict[str, list[dict[str, Any]]] = {}

    def creates() -> int:
        return sum(one["endpoint"] == "batches.create" for one in simulator.calls())

    def send(name: str, provider: str, created: int, **fault: Any) -> None:
        """Send a round, and wait until its create call has met its fault."""
        calls = creates()
        simulator.faults(provider=provider, endpoint="batches.create", next=1, **fault)
        rounds[name] = [deployed.body(provider, batch=name) for _ in range(5)]
        deployed.send_round(rounds[name])
        deployed.until(lambda: creates() > calls, "the create call has met its fault")
        assert len(simulator.batches()) == created

    # The work is done, and the answer does not come.
    send("made-openai", "openai", 1, fault="hang")
    send("made-anthropic", "anthropic", 2, fault="hang")
    # The server fails: it may have made the batch, and has not.
    send("failed-openai", "openai", 2, fault="status", status=500)
    send("failed-anthropic", "anthropic", 2, fault="status", status=500)
    # A round after them is not held up.
    rounds["after"] = [deployed.body("anthropic", batch="after") for _ in range(3)]
    deployed.send_round(rounds["after"])

    events = deployed.wait_answered()

    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}
    assert {name: set(outcomes(events, bodies)) for name, bodies in rounds.items()} == {
        "made-openai": {"answered"},
        "made-anthropic": {"answered"},
        "failed-openai": {"answered"},
        "failed-anthropic": {"answered"},
        "after": {"answered"},
    }
    # Held for a while at Anthropic: on a slow machine the batch of "after", of fewer lines, may still run at a scan, and
    # until it has ended it may be the one that is looked for.
    fates = {
        (provider, fate): worker.metric("roundbatch_unknown_jobs_total", provider=provider, fate=fate)
        for provider in ("openai", "anthropic")
        for fate in ("adopted", "absent", "held")
        if (provider, fate) != ("anthropic", "held")
    }
    assert fates == {
        ("openai", "adopted"): 1,
        ("openai", "absent"): 1,
        ("openai", "held"): 0,
        ("anthropic", "adopted"): 1,
        ("anthropic", "absent"): 1,
    }
    # made-openai and made-anthropic once, after, and the failed ones at their second try
    batches = [(batch["provider"], batch["items"]) for batch in simulator.batches()]
    assert batches[:3] == [("openai", 5), ("anthropic", 5), ("anthropic", 3)]
    assert sorted(batches[3:]) == [("anthropic", 5), ("openai", 5)]
    assert simulator.ledger()["batch_items_paid_again"] == 0
    assert worker.stop() == 0


def test_a_provider_whose_clock_is_five_minutes_off_is_not_paid_twice(deployed: Deployment) -> None:
    deployed.worker()
    simulator = deployed.simulator
    for provider, skew_s in (("anthropic", 300.0), ("openai", -300.0)):
        simulator.skew(skew_s)
        simulator.faults(provider=provider, endpoint="batches.create", next=1, fault="hang")
        calls = len(simulator.batches())
        deployed.send_round([deployed.body(provider, batch=f"b-{provider}") for _ in range(5)])
        deployed.until(lambda before=calls: len(simulator.batches()) > before, "the batch is made")

    events = deployed.wait_answered()

    deployed.check_promises()
    assert all(event["data"]["winner"] for event in events.values())
    assert simulator.ledger()["batches"] == 2


def test_a_batch_that_the_list_shows_late_is_not_taken_for_absent(deployed: Deployment) -> None:
    # Without the settling time a job would be absent 6.5 s after its claim: before the list shows it.
    deployed.env["ROUNDBATCH_TESTING__LIST_SETTLE_S"] = "6"
    worker = deployed.worker()
    for provider in PROVIDERS:
        deployed.simulator.faults(
            {"fault": "hang", "next": 1, "provider": provider, "endpoint": "batches.create"},
            {"fault": "list_lag", "next": 1, "provider": provider, "stall_s": 8.0},
        )
        deployed.send_round([deployed.body(provider, batch=f"b-{provider}") for _ in range(5)])

    events = deployed.wait_answered()

    deployed.check_promises()
    assert all(event["data"]["winner"] for event in events.values())
    assert deployed.simulator.ledger()["batches"] == 2
    assert [worker.metric("roundbatch_unknown_jobs_total", provider=one, fate="adopted") for one in PROVIDERS] == [1, 1]


def test_a_job_that_a_new_key_does_not_see_is_held_until_its_deadline(deployed: Deployment) -> None:
    deployed.env |= {"ROUNDBATCH_LONGEST_WAIT_S": "30", "ROUNDBATCH_ESCALATE_BEFORE_S": "2"}
    deployed.simulator.hold()
    keys: dict[str, str] = {}
    for provider, variable in zip(PROVIDERS, ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"), strict=True):
        killed = deployed.worker(ready=False, ROUNDBATCH_CRASH_AT="after_create", **keys)
        deployed.send_round([deployed.body(provider, batch=f"b-{provider}") for _ in range(5)])
        assert killed.wait_exit() == -signal.SIGKILL
        deployed.forget_ended()
        keys[variable] = f"new-{provider}"
        deployed.simulator.faults(fault="sees_nothing", api_key=keys[variable], rate=1.0)
    worker = deployed.worker(**keys)

    events = deployed.wait_answered()

    deployed.check_promises()
    assert {event["data"]["error_detail"]["error_code"] for event in events.values()} == {"TIMEOUT"}
    assert deployed.simulator.ledger()["batches"] == 2
    assert [worker.metric("roundbatch_unknown_jobs_total", provider=one, fate="held") for one in PROVIDERS] == [1, 1]
