"""For how long a third worker that joins two keeps partitions waiting, with much pending; adds to build/bench.json.

    python -m bench.rebalance [--pending 200000]

Two workers hold six partitions of pending comparisons; then a third one joins, with nothing on its disk. All the while a single
request is sent to each partition ten times a second, and its result is waited for. The longest wait among them tells for how
long a partition stood still: one that stays with its worker, and one that moves to the third. The batches of what is pending
are at a simulator of their own: one that holds 200,000 comparisons answers single requests seconds later.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from bench.figures import add
from bench.pending_workers import PendingWorker, environment, rounds, wait_committed
from simulator.process import running_simulator
from tests.brokers import running_kafka
from tests.harness.deployment import Deployment
from tests.harness.kafka_reads import read_topic

PARTITIONS = 6
_EVERY_S = 0.1
_IDLE_S = 10.0
_LIMIT_S = 180.0


class Singles(threading.Thread):
    """Sends a single request to each partition ten times a second, until told to stop."""

    def __init__(self, deployed: Deployment) -> None:
        super().__init__(daemon=True)
        self._deployed = deployed
        self.stopped = threading.Event()
        self.sent: dict[str, tuple[int, float]] = {}  # correlation id → partition, seconds since the epoch

    def run(self) -> None:
        """Send."""
        while not self.stopped.wait(_EVERY_S):
            for partition in range(PARTITIONS):
                body = self._deployed.body("anthropic", batch=uuid.uuid4().hex, mode="per_request")
                self.sent[body["correlation_id"]] = (partition, time.time())
                self._deployed.send_single(body, partition=partition)


def main(pending: int) -> None:
    """Measure once, print, write."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_kafka(lasting=True) as bootstrap,
        running_simulator(batch_duration_s=86_400.0) as of_batches,
        running_simulator() as of_singles,
    ):
        urls = {"OPENAI_BASE_URL": of_batches.openai_url, "ANTHROPIC_BASE_URL": of_singles.base_url}
        deployed = Deployment(bootstrap, f"rebalance-{uuid.uuid4().hex[:6]}", Path(folder), of_singles, urls)
        found = {"pending": pending, **_measure(deployed, pending)}
    add({"rebalance": found})
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def _measure(deployed: Deployment, pending: int) -> dict[str, Any]:
    def worker(name: str) -> PendingWorker:
        own = {"ROUNDBATCH_STATE_DIR": str(deployed.folder / name), "ROUNDBATCH_PARTITIONS": str(PARTITIONS)}
        return PendingWorker(environment(deployed) | own, deployed.folder / f"{name}.log")

    workers = [worker("a"), worker("b")]
    try:
        for one in workers:
            one.wait_ready()
        deployed.send_all(rounds(deployed, pending))
        wait_committed(deployed, PARTITIONS)
        for one in workers:
            one.wait_idle()
        singles = Singles(deployed)
        singles.start()
        time.sleep(_IDLE_S)
        before, cpu_s = time.time(), [one.cpu_s() for one in workers]
        workers.append(worker("c"))
        workers[-1].wait_ready()
        ready_s = time.time() - before
        used_s = [one.cpu_s() - was for one, was in zip(workers, cpu_s, strict=False)]
        time.sleep(_EVERY_S)
        singles.stopped.set()
        singles.join()
        answered_s = _answered(deployed, set(singles.sent))
        moved = {int(view["partition"]) for view in _views_of(deployed.folder / "c.log")}
    finally:
        for one in workers:
            one.kill()
    waits: dict[str, list[float]] = {"idle": [], "kept": [], "moved": []}
    for correlation_id, (partition, sent_s) in singles.sent.items():
        kind = "idle" if sent_s < before - 2 else "moved" if partition in moved else "kept"
        waits[kind].append(answered_s[correlation_id] - sent_s)
    longest = {f"{kind}_longest_s": round(max(each, default=0.0), 2) for kind, each in waits.items()}
    return {
        **longest,
        "third_ready_s": round(ready_s, 1),
        "cpu_s_of_the_two": [round(one, 1) for one in used_s],
        "moved": sorted(moved),
        "kept_views": [
            sum('"event": "view_kept"' in line for line in (deployed.folder / f"{name}.log").open()) for name in "ab"
        ],
    }


def _answered(deployed: Deployment, wanted: set[str]) -> dict[str, float]:
    """When each was answered, in seconds since the epoch."""
    until_s = time.monotonic() + _LIMIT_S
    while True:
        found = {
            one.json["correlation_id"]: one.timestamp_ms / 1000 for one in read_topic(deployed.bootstrap, deployed.result_topic)
        }
        if wanted <= found.keys():
            return found
        if time.monotonic() > until_s:
            raise RuntimeError(f"{len(wanted - found.keys())} requests were not answered")
        time.sleep(0.5)


def _views_of(log: Path) -> list[dict[str, Any]]:
    lines = (line for line in log.read_text().splitlines() if '"event": "view_built"' in line)
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.rebalance", description=__doc__.partition("\n")[0])
    parser.add_argument("--pending", type=int, default=200_000)
    main(parser.parse_args().pending)
