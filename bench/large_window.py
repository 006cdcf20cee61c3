"""A nightly window of 20,000 comparisons beside small rounds in other partitions; writes build/large_window.json.

    python -m bench.large_window [--provider openai] [--comparisons 20000] [--per-s 1000] [--down]

One worker on a real Kafka, and two simulators: one for the window, one for the small rounds, which would otherwise measure a
simulator that reads 80 MB. The window's gets what processor time the other processes leave, for a provider has machines of its
own. First the small rounds run alone, then beside the window, until its last result is there. A small round's latency is the
time between two appends, its request record's and its last result's. With --down the window gathers while no worker runs, so
that all of it is closed at once.
"""

import argparse
import datetime as dt
import json
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from bench.window_report import Watched, report
from simulator.process import running_simulator
from tests.brokers import running_kafka
from tests.harness.deployment import Deployment
from tests.harness.memory import resident_bytes
from tests.harness.worker import WorkerProcess

OUT = Path("build/large_window.json")
PROMPT_BYTES = 4_096
RECORD_COMPARISONS = 100  # of 8.6 KB each: the prompt is in it twice
RECORD_ESSAYS = 20  # each is in ten comparisons of its record
SMALL_ROUND = 6
SMALL_EVERY_S = 0.25
IDLE_ROUNDS = 100
LOOK_S = 0.05


class SmallRounds(threading.Thread):
    """Sends a small round to one of the other partitions every quarter of a second, until told to stop."""

    def __init__(self, deployed: Deployment, provider: str, partitions: int) -> None:
        super().__init__(daemon=True)
        self._deployed, self._provider, self._partitions = deployed, provider, partitions
        self.stopped = threading.Event()
        self.sent = 0

    def run(self) -> None:
        """Send."""
        while not self.stopped.wait(SMALL_EVERY_S):
            batch = f"small-{uuid.uuid4().hex[:8]}"
            bodies = [self._deployed.body(self._provider, batch=batch, mode="per_request") for _ in range(SMALL_ROUND)]
            self._deployed.send_round(bodies, partition=1 + self.sent % (self._partitions - 1))
            self.sent += 1


class Memory(threading.Thread):
    """Looks at a process's resident memory twenty times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.seen: list[tuple[float, int]] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        """Look."""
        while not self.stopped.wait(LOOK_S):
            self.seen.append((time.time(), resident_bytes(self._pid)))


def main(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it once, print the figures, write them."""
    other = "anthropic" if arguments.provider == "openai" else "openai"
    with (
        tempfile.TemporaryDirectory() as folder,
        running_kafka(lasting=True) as bootstrap,
        running_simulator(niceness=19, batch_duration_s=1.0, judge_error_rate=0.0) as large,
        running_simulator(batch_duration_s=1.0, judge_error_rate=0.0) as small,
    ):
        urls = {
            f"{arguments.provider.upper()}_BASE_URL": large.openai_url if arguments.provider == "openai" else large.base_url,
            f"{other.upper()}_BASE_URL": small.openai_url if other == "openai" else small.base_url,
        }
        deployed = Deployment(bootstrap, f"night-{uuid.uuid4().hex[:6]}", Path(folder), large, {**_settings(), **urls})
        try:
            found = _measure(deployed, arguments, other)
        finally:
            deployed.close()
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return found


def _settings() -> dict[str, str]:
    """A schedule whose tick comes when all is gathered; and the default times, where tests have shorter ones."""
    tick = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=150)
    cron = f"{tick.minute} * * * *"
    return {
        "ROUNDBATCH_LLM_BATCHING_STRATEGY": "nightly",
        "ROUNDBATCH_OPENAI__NIGHTLY_CRON": cron,
        "ROUNDBATCH_ANTHROPIC__NIGHTLY_CRON": cron,
        "ROUNDBATCH_TESTING__START_WITHIN_S": "130",
        "ROUNDBATCH_TESTING__CREATE_TIMEOUT_S": "120",
        "ROUNDBATCH_LOG_LEVEL": "INFO",
        "ROUNDBATCH_PARTITIONS": "4",
        "ROUNDBATCH_BROKER_SESSION_TIMEOUT_S": "30",
        "ROUNDBATCH_TESTING__COMMIT_INTERVAL_S": "1",
    }


def _measure(deployed: Deployment, arguments: argparse.Namespace, other: str) -> dict[str, Any]:
    worker = deployed.worker()
    memory = _watch(worker)
    _rounds_alone(deployed, other)
    idle_bytes = memory.seen[-1][1]
    idle_until_s = time.time()
    if arguments.down:
        memory.stopped.set()
        worker.stop()
        _send_window(deployed, arguments, per_s=0)
        worker = deployed.worker(ready=False)
        memory = _watch(worker)
        worker.wait_ready()
    rounds = SmallRounds(deployed, other, 4)
    rounds.start()
    if not arguments.down:
        _send_window(deployed, arguments, per_s=arguments.per_s)
    _wait_answered(deployed, arguments.timeout_s)
    rounds.stopped.set()
    rounds.join()
    deployed.wait_answered()
    memory.stopped.set()
    peak_bytes = resident_bytes(worker.process.pid, "VmHWM")
    end_bytes = resident_bytes(worker.process.pid)
    exit_code = worker.stop()
    watched = Watched(idle_until_s, idle_bytes, peak_bytes, end_bytes, tuple(memory.seen), exit_code)
    return {"provider": arguments.provider, "comparisons": arguments.comparisons, **report(deployed, watched)}


def _watch(worker: WorkerProcess) -> Memory:
    memory = Memory(worker.process.pid)
    memory.start()
    return memory


def _rounds_alone(deployed: Deployment, provider: str) -> None:
    rounds = SmallRounds(deployed, provider, 4)
    rounds.start()
    while rounds.sent < IDLE_ROUNDS:
        time.sleep(SMALL_EVERY_S)
    rounds.stopped.set()
    rounds.join()
    deployed.wait_answered()


def _send_window(deployed: Deployment, arguments: argparse.Namespace, *, per_s: float) -> None:
    began_s = time.monotonic()
    for start in range(0, arguments.comparisons, RECORD_COMPARISONS):
        size = min(RECORD_COMPARISONS, arguments.comparisons - start)
        essays = [uuid.uuid4() for _ in range(RECORD_ESSAYS)]
        bodies = [
            deployed.body(
                arguments.provider,
                batch=f"night-{start}",
                prompt_bytes=PROMPT_BYTES - 400,
                essays=(essays[place % RECORD_ESSAYS], essays[(place + 1 + place // RECORD_ESSAYS) % RECORD_ESSAYS]),
            )
            for place in range(size)
        ]
        if per_s:
            time.sleep(max(0.0, began_s + start / per_s - time.monotonic()))
        deployed.send_round(bodies, partition=0)


def _wait_answered(deployed: Deployment, timeout_s: float) -> None:
    """Wait by asking for the topics' ends: a reader of records would take processor time from what is measured."""
    until = time.monotonic() + timeout_s
    while deployed.count(deployed.result_topic) < len(deployed.sent) - 8 * SMALL_ROUND:
        if time.monotonic() > until:
            raise TimeoutError(f"not answered in {timeout_s} s\n{deployed.logs()}")
        time.sleep(0.5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provider", choices=("openai", "anthropic"), default="openai")
    parser.add_argument("--comparisons", type=int, default=20_000)
    parser.add_argument("--per-s", type=float, default=1_000.0, help="comparisons of the window a second")
    parser.add_argument("--down", action="store_true", help="gather the window while no worker runs")
    parser.add_argument("--timeout-s", type=float, default=420.0)
    main(parser.parse_args())
