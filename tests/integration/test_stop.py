"""SIGTERM, and workers that join and leave: nothing is lost, nothing cancelled, no batch made twice."""

from typing import Any

from tests.harness.deployment import Deployment
from tests.harness.worker import WorkerProcess

PROVIDERS = ("anthropic", "openai")


def submitted(worker: WorkerProcess) -> float:
    return worker.metric("roundbatch_jobs", state="submitted")


def answered(deployed: Deployment, bodies: list[dict[str, Any]]) -> bool:
    return {body["correlation_id"] for body in bodies} <= deployed.events_per_id().keys()


def test_sigterm_leaves_batches_alone_finishes_calls_and_lets_go_of_those_that_hang(deployed: Deployment) -> None:
    simulator = deployed.simulator
    simulator.hold()
    worker = deployed.worker()
    for provider in PROVIDERS:
        deployed.send_round([deployed.body(provider, batch=f"held-{provider}") for _ in range(5)])
    deployed.until(lambda: submitted(worker) == 2, "both batches are submitted")
    slow = [deployed.body(provider, batch="slow", mode="per_request") for provider in PROVIDERS for _ in range(3)]
    simulator.faults(fault="slow", stall_s=2.0, next=6)
    for body in slow:
        deployed.send_single(body)
    deployed.until(lambda: not simulator.faults(), "all six are in flight")

    assert worker.stop() == 0

    assert simulator.ledger()["call_items_paid"] == 6
    assert not [name for name in simulator.ledger()["http_by_endpoint"] if name.endswith("batches.cancel")]

    # The next start takes over what the calls brought, and goes on polling.
    worker = deployed.worker(ROUNDBATCH_SHUTDOWN_TIMEOUT_S="1")
    deployed.until(lambda: answered(deployed, slow), "the slow calls are answered")
    assert simulator.ledger()["call_items_paid"] == 6
    assert worker.metric("roundbatch_calls_repeated_total") == 0
    assert submitted(worker) == 2
    hanging = [deployed.body("openai", batch="hanging", mode="per_request") for _ in range(3)]
    simulator.faults(fault="hang", next=3, provider="openai")
    for body in hanging:
        deployed.send_single(body)
    deployed.until(lambda: not simulator.faults(), "all three hang")

    assert worker.stop() == 0  # beyond its time: they are let go of

    assert not answered(deployed, hanging)
    worker = deployed.worker()
    deployed.until(lambda: answered(deployed, hanging), "the calls that hung are answered")
    assert worker.metric("roundbatch_calls_repeated_total", provider="openai") == 3
    simulator.release()
    deployed.wait_answered()
    deployed.check_promises()
    ledger = simulator.ledger()
    assert set(deployed.events_per_id().values()) == {1}
    assert (ledger["batches"], ledger["batch_items_paid"], ledger["call_items_paid"]) == (2, 10, 6 + 2 * 3)
    assert worker.stop() == 0


def test_workers_join_and_leave_while_rounds_are_under_way(deployed: Deployment) -> None:
    count = 0

    def send(rounds: int) -> None:
        """Rounds to both partitions and both providers, one in five by single calls."""
        nonlocal count
        for _ in range(rounds):
            provider, mode = PROVIDERS[count % 2], "per_request" if count % 5 == 4 else None
            bodies = [deployed.body(provider, batch=f"round-{count}", mode=mode) for _ in range(6)]
            deployed.send_round(bodies, partition=count // 2 % 2)
            count += 1

    def moving() -> bool:
        """Whether a round is under way, so that a move meets it."""
        return len(deployed.events_per_id()) < len(deployed.sent)

    def joined(worker: WorkerProcess) -> bool:
        """Whether it has got partitions; until then rounds are sent."""
        send(1)
        return "view_built" in worker.log_path.read_text()

    first = deployed.worker("a")
    send(10)
    second = deployed.worker("b", ready=False)
    deployed.until(lambda: joined(second), "the second worker has partitions", every_s=0.5)
    assert moving()
    second.wait_ready()
    assert [one.metric("roundbatch_partitions_assigned") for one in (first, second)] == [1, 1]
    send(10)
    assert moving()
    assert second.stop() == 0
    send(4)
    third = deployed.worker("c", ready=False)
    deployed.until(lambda: joined(third), "the third worker has partitions", every_s=0.5)
    assert first.stop() == 0
    send(10)
    third.wait_ready()

    deployed.wait_answered()

    # A record that was not committed when its partition moved is read again; its events are then sent again, byte for byte.
    deployed.check_promises()
    ledger = deployed.simulator.ledger()
    assert ledger["batches"] == sum(number % 5 != 4 for number in range(count))
    assert ledger["batch_items_paid_again"] == 0
    assert third.metric("roundbatch_partitions_assigned") == 2
    assert third.stop() == 0
