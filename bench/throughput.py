"""One worker on a real Kafka beside plain aiokafka, interleaved in one run; writes build/bench.json.

    python -m bench.throughput [--rounds 2000] [--repetitions 3] [--profile DIR]

A comparison is counted from its request record (the clock starts when the first one is handled) to its result event as the
broker has appended it (LogAppendTime of the last one). The plain side passes on the single records themselves.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from bench import load
from bench.figures import MEASURED, OUT, Sample, report
from bench.measured_worker import MeasuredWorker, Topics
from tests.brokers import running_kafka
from tests.brokers.topics import create_topics

PARTITIONS = 4


def main(arguments: argparse.Namespace) -> None:
    """Run all repetitions, print the figures, write them."""
    run = f"bench-{uuid.uuid4().hex[:6]}"
    topics = {name: f"{run}.{name}" for name in (*MEASURED, "results", "passed")}
    samples: list[Sample] = []
    with running_kafka(lasting=True) as bootstrap, tempfile.TemporaryDirectory() as folder:
        stamped = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(4 * 1024 * 1024)}
        create_topics(bootstrap, dict.fromkeys(topics.values(), PARTITIONS), config=stamped)
        count = load.preload(
            bootstrap, topics, rounds=arguments.rounds, partitions=PARTITIONS, callback_topic=topics["results"]
        )
        for repetition in range(arguments.repetitions):
            for kind in arguments.kinds:
                name = f"{run}-{kind}-{repetition}"
                samples.append(_plain(bootstrap, topics, f"{name}-plain", count))
                _say(samples[-1])
                worker = MeasuredWorker(
                    bootstrap,
                    name,
                    Path(folder) / name,
                    Topics(topics[kind], topics["results"], PARTITIONS),
                    profile=arguments.profile / f"{kind}.txt" if arguments.profile else None,
                )
                samples.append(worker.measure(kind, count))
                _say(samples[-1])
    if set(arguments.kinds) != set(MEASURED):
        return
    figures = report(samples)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"measured": time.strftime("%Y-%m-%d"), **figures}, indent=1) + "\n")
    _print({name: figures[name] for name in figures if name != "samples"})


def _plain(bootstrap: str, topics: dict[str, str], group: str, count: int) -> Sample:
    command = [sys.executable, "-m", "bench.plain", bootstrap, topics["singles"], topics["passed"], group, str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    said = json.loads(done.stdout)
    return Sample("plain", said["records"], said["seconds"], said["cpu_s"])


def _say(sample: Sample) -> None:
    sys.stdout.write(f"{sample.kind:8} {sample.per_s:8,.0f} a second {sample.cpu_us:7,.0f} us of processor each\n")
    sys.stdout.flush()


def _print(figures: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(figures, indent=1) + f"\nwritten to {OUT}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2_000, help="rounds of 12 comparisons a measurement")
    parser.add_argument("--repetitions", type=int, default=3, help="of each kind, with a plain run before each")
    parser.add_argument("--kinds", nargs="+", choices=MEASURED, default=list(MEASURED))
    parser.add_argument("--profile", type=Path, help="a folder for the profile of each kind (bench.sampling)")
    return parser.parse_args()


if __name__ == "__main__":
    main(_arguments())
