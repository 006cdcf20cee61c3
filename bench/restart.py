"""How long from kill -9 and a start at once until the worker is ready, with a name in the group and without; adds to
build/bench.json.

    python -m bench.restart [--pending 12000] [--repetitions 3]

One worker on a real Kafka, default times (a session of 30 s), its state directory kept. Without a name Kafka gives its
partitions away only when the dead process's session is over; with one (KAFKA_GROUP_INSTANCE_ID) it gives them at once.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

from bench.figures import add
from bench.pending_workers import PendingWorker, environment, rounds, wait_committed
from simulator.process import running_simulator
from tests.brokers import running_kafka
from tests.harness.deployment import Deployment

KINDS = ("without_name", "with_name")


def main(pending: int, repetitions: int) -> None:
    """Measure in turns, print, write."""
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    used: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_kafka(lasting=True) as bootstrap,
        running_simulator(batch_duration_s=1.0) as simulator,
    ):
        for kind in KINDS:
            deployed = Deployment(bootstrap, f"restart-{kind}-{uuid.uuid4().hex[:6]}", Path(folder) / kind, simulator)
            deployed.folder.mkdir()
            env = environment(deployed) | ({"KAFKA_GROUP_INSTANCE_ID": "worker-0"} if kind == "with_name" else {})
            worker = PendingWorker(env, deployed.folder / "worker.log").wait_ready()
            deployed.send_all(rounds(deployed, pending))
            wait_committed(deployed)
            for _ in range(repetitions):
                worker.kill()
                worker = PendingWorker(env, deployed.folder / "worker.log").wait_ready()
                took[kind].append(time.monotonic() - worker.began_s)
                used[kind].append(worker.cpu_s())
                _say(f"{kind}: {took[kind][-1]:.1f} s, {used[kind][-1]:.1f} s of processor")
            worker.kill()
    found = {kind: {"seconds": _spread(took[kind]), "cpu_s": _spread(used[kind])} for kind in KINDS}
    add({"restart_s": {"pending": pending, **found}})
    _say(json.dumps(found))


def _spread(values: list[float]) -> dict[str, float]:
    return {"least": round(min(values), 1), "median": round(statistics.median(values), 1), "most": round(max(values), 1)}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.restart", description=__doc__.partition("\n")[0])
    parser.add_argument("--pending", type=int, default=12_000, help="comparisons that wait meanwhile")
    parser.add_argument("--repetitions", type=int, default=3, help="kills of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    main(given.pending, given.repetitions)
