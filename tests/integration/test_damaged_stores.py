"""Stores damaged on disk while batches are at the provider: restored from their changelogs, and what was paid for is read."""

from pathlib import Path

from streams.wire import work
from tests.harness.damage import flip_a_block
from tests.harness.deployment import PARTITIONS, Deployment
from tests.harness.worker import WorkerProcess

PATIENT = {
    f"ROUNDBATCH_{provider}__POLL_{which}_S": "600" for provider in ("ANTHROPIC", "OPENAI") for which in ("FIRST", "MAX")
}


def store(deployed: Deployment, table: str, partition: int) -> Path:
    (found,) = (deployed.folder / "state-a" / "faust").glob(f"**/{table}-{partition}.db")
    return found


def wait_submitted(deployed: Deployment, jobs: int) -> None:
    def submitted() -> bool:
        records = [work.decode(record.value) for record in deployed.read(deployed.work_topic)]
        return sum(isinstance(part, work.Submitted) for record in records for part in work.parts(record)) == jobs

    deployed.until(submitted, f"{jobs} batches are submitted")


def wiped(worker: WorkerProcess) -> set[str]:
    lines = [line for line in worker.log_path.read_text().splitlines() if "store_wiped" in line]
    return {
        f"{table}-{place}"
        for table in TABLES
        for place in range(PARTITIONS)
        for line in lines
        if f"/{table}-{place}.db" in line
    }


TABLES = ("rounds", "requests", "jobs", "outcomes")


def test_damaged_stores_are_restored_and_no_paid_answer_is_lost(deployed: Deployment) -> None:
    worker = deployed.worker(**PATIENT)
    for place, provider in enumerate(("anthropic", "openai")):
        deployed.send_round([deployed.body(provider, batch=provider) for _ in range(5)], partition=place)
    wait_submitted(deployed, 2)
    assert worker.stop() == 0

    flip_a_block(store(deployed, "requests", 0))  # opens, and is met while it is read
    (store(deployed, "jobs", 1) / "CURRENT").write_bytes(b"")  # does not open

    damaged = deployed.worker(ready=False)
    assert damaged.wait_exit() == 70, damaged.tail()
    assert wiped(damaged) == {"jobs-1"}
    assert "store_damaged" in damaged.log_path.read_text()
    deployed.forget_ended()
    restored = deployed.worker()
    assert wiped(restored) == {"requests-0"}

    events = deployed.wait_answered()
    assert all(event["data"]["winner"] for event in events.values())
    assert deployed.dead_letters() == deployed.read(f"{deployed.work_topic}.DLQ") == []
    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}
    assert len(deployed.simulator.batches()) == 2
    assert restored.stop() == 0
    assert wiped(deployed.worker()) == set()
