"""The gateway on a real Kafka beside the same server without it, in turn in one run; writes build/bench-gateway.json.

    python -m bench.gateway [--seconds 5] [--repetitions 3]

Posts of 10 KB as CJ makes them, 3 and 64 at once, and 100 a second.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import uvloop

from bench import posts
from bench.posts import Posts
from bench.processes import cpu_s, is_ready
from settings.settings import Settings
from tests.brokers import running_kafka
from tests.brokers.ports import free_ports
from tests.waiting import until

OUT = Path("build/bench-gateway.json")
AT_ONCE = (3, 64)
RATE = 100.0
WARM_S = 15.0
PARTITIONS = 4
Run = dict[str, object]


def main(arguments: argparse.Namespace) -> None:
    """Run all repetitions, print the figures, write them."""
    made = posts.requests(Settings().allowed_callback_topics[0])
    runs: list[Run] = []
    with (
        running_kafka(lasting=True) as bootstrap,
        _door("bare") as bare,
        _door("instant") as instant,
        _gateway(bootstrap) as gateway,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        doors = {"bare": bare, "instant": instant, "gateway": gateway}
        # Code that runs for the first time is slow. A broker's Java compiles while it works: its answer to one record takes
        # 0.7 ms in its first seconds, and 0.3 ms after about ten of work.
        for name, (_, port) in doors.items():
            runner.run(posts.at_once(port, made, 64, WARM_S if name == "gateway" else 1.0))
        for _ in range(arguments.repetitions):
            for clients in AT_ONCE:
                for name, (pid, port) in doors.items():
                    before = cpu_s(pid)
                    found = runner.run(posts.at_once(port, made, clients, arguments.seconds))
                    _note(runs, name, f"{clients} at once", found, cpu_s(pid) - before)
            pid, port = gateway
            before = cpu_s(pid)
            found = runner.run(posts.at_a_rate(port, made, RATE, arguments.seconds))
            _note(runs, "gateway", f"{RATE:g} a second", found, cpu_s(pid) - before)
    OUT.parent.mkdir(exist_ok=True)
    figures = {"measured": time.strftime("%Y-%m-%d"), **_ratios(runs), "runs": runs}
    OUT.write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(json.dumps(_ratios(runs), indent=1) + f"\nwritten to {OUT}\n")


def _note(runs: list[Run], door: str, how: str, found: Posts, cpu: float) -> None:
    runs.append({"door": door, "how": how, "per_s": found.per_s, "cpu_us": cpu / found.posts * 1e6, **asdict(found)})
    sys.stdout.write(
        f"{door:8} {how:13} {found.per_s:7,.0f} a second, p50 {found.p50_ms:6.2f} ms, p99 {found.p99_ms:6.2f} ms, "
        f"{cpu / found.posts * 1e6:5,.0f} us of processor each\n"
    )
    sys.stdout.flush()


def _ratios(runs: list[Run]) -> dict[str, float]:
    """Of medians: the gateway to each of the others."""
    found: dict[str, list[float]] = {}
    for run in runs:
        found.setdefault(f"{run['door']} {run['how']}", []).append(float(str(run["per_s"])))
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {
        f"vs_{other}_{clients}_at_once": round(medians[f"gateway {clients} at once"] / medians[f"{other} {clients} at once"], 3)
        for other in ("bare", "instant")
        for clients in AT_ONCE
    }


@contextlib.contextmanager
def _door(kind: str) -> Iterator[tuple[int, int]]:
    """A server of bench.doors: its process id and port."""
    with subprocess.Popen([sys.executable, "-m", "bench.doors", kind], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


@contextlib.contextmanager
def _gateway(bootstrap: str) -> Iterator[tuple[int, int]]:
    """`roundbatch gateway` with its default settings."""
    (port,) = free_ports(1)
    own = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "ROUNDBATCH_REQUEST_TOPIC": f"bench-{uuid.uuid4().hex[:6]}.requested",
        "ROUNDBATCH_PARTITIONS": str(PARTITIONS),
        "ROUNDBATCH_GATEWAY__PORT": str(port),
    }

    with subprocess.Popen([sys.executable, "-m", "cli", "gateway"], env={**os.environ, **own}) as process:
        try:
            until(lambda: is_ready(port), "the gateway is ready")
            yield process.pid, port
        finally:
            process.terminate()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    parser.add_argument("--repetitions", type=int, default=3, help="of each, in turn")
    return parser.parse_args()


if __name__ == "__main__":
    main(_arguments())
