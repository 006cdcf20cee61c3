"""What the worker adds to an answer's time: from request record to the provider's door, and from the answer to the event.

    python -m bench.latency [--seconds 20]

One worker on a real Kafka with an instant provider; writes build/bench-latency.json. Two kinds of requests, each by itself:
single records under per_request (a call each), and round records of 12 under per_round (a batch each). Each is sent at two
rates: idle (four records a second) and at half load, which is half of what the worker does with a burst of them. A
request comes at its record's append time and an event at its own, both stamped by the broker in whole milliseconds.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from bench import load
from bench.figures import latencies
from bench.measured_worker import Topics, environment
from bench.processes import is_ready
from demo import clients
from demo.environment import clean_environment
from settings.kafka import KafkaSettings
from streams.wire.request_events import round_event, single_event
from tests.brokers import running_kafka
from tests.brokers.ports import free_ports
from tests.brokers.topics import create_topics
from tests.harness.kafka_reads import count_offsets, read_topic
from tests.waiting import until

OUT = Path("build/bench-latency.json")
PARTITIONS = 4
IDLE_PER_S = 4.0  # records
WARM_S = 5.0
BURST = 6_000  # comparisons


@dataclass(frozen=True, slots=True)
class Kind:
    """How comparisons are sent and asked."""

    name: str
    strategy: str
    size: int  # comparisons a record

    def record(self, number: int, callback_topic: str) -> tuple[list[dict[str, Any]], bytes]:
        """The comparisons of the record with this number, and its bytes."""
        bodies = [load.body(number, position, callback_topic) for position in range(self.size)]
        return bodies, single_event(bodies[0]) if self.size == 1 else round_event(bodies)


KINDS = (Kind("calls", "per_request", 1), Kind("rounds", "per_round", load.ROUND_SIZE))


def main(arguments: argparse.Namespace) -> None:
    """Measure, print the figures, write them."""
    figures: dict[str, Any] = {"measured": time.strftime("%Y-%m-%d")}
    with running_kafka(lasting=True) as bootstrap, tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            run = _Run(bootstrap, kind, Path(folder) / kind.name)
            run.send("idle", IDLE_PER_S, arguments.seconds)
            per_s = run.send_burst()
            run.send("half_load", per_s / 2, arguments.seconds)
            figures[f"{kind.name}_a_second"] = round(per_s * kind.size)
            for load_name, found in run.figures().items():
                figures[f"{kind.name}_{load_name}"] = found
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(json.dumps(figures, indent=1) + f"\nwritten to {OUT}\n")


class _Run:
    """One worker, and what is sent to it."""

    def __init__(self, bootstrap: str, kind: Kind, folder: Path) -> None:
        folder.mkdir()
        self._bootstrap, self._kind, self._notes = bootstrap, kind, folder / "notes.jsonl"
        name = f"latency-{uuid.uuid4().hex[:6]}"
        self._topics = Topics(f"{name}.requests", f"{name}.results", PARTITIONS)
        stamped = {"message.timestamp.type": "LogAppendTime"}
        create_topics(bootstrap, dict.fromkeys((self._topics.requests, self._topics.results), PARTITIONS), config=stamped)
        self._producer: Producer = clients.producer(
            KafkaSettings(kafka_bootstrap_servers=bootstrap), {"log_level": 0, "linger.ms": 0}
        )
        (port,) = free_ports(1)
        env = environment(bootstrap, name, self._topics, folder / "state")
        env |= {"ROUNDBATCH_HEALTH_PORT": str(port), "ROUNDBATCH_LLM_BATCHING_STRATEGY": kind.strategy}
        with (folder / "worker.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.latency_worker", str(self._notes)],
                env=clean_environment(os.environ) | env,
                stdout=log,
                stderr=log,
            )
        until(lambda: is_ready(port), "the worker is ready", lambda: (folder / "worker.log").read_text()[-3000:])
        self._sent = 0
        self._load_of: dict[str, str] = {}  # correlation id → the load under which it was sent
        self._essay_of: dict[str, str] = {}
        self.send("warm", IDLE_PER_S, WARM_S)

    def send(self, load_name: str, per_s: float, seconds: float) -> None:
        """Send records at this rate for so long, and wait until all are answered."""
        self._send(load_name, per_s, round(per_s * seconds))

    def send_burst(self) -> float:
        """Send many comparisons at once; how many records a second are answered, from the first one on."""
        began_s, records = time.monotonic(), BURST // self._kind.size
        self._send("burst", math.inf, records)
        return records / (time.monotonic() - began_s)

    def _send(self, load_name: str, per_s: float, records: int) -> None:
        began_s = time.monotonic()
        for place in range(records):
            time.sleep(max(0.0, began_s + place / per_s - time.monotonic()))
            bodies, value = self._kind.record(self._sent, self._topics.results)
            for body in bodies:
                self._load_of[body["correlation_id"]] = load_name
                self._essay_of[body["correlation_id"]] = body["metadata"]["essay_a_id"]
            key = bodies[0]["metadata"]["cj_batch_id"].encode()
            self._producer.produce(self._topics.requests, value=value, key=key, partition=self._sent % PARTITIONS)
            self._producer.poll(0)
            self._sent += 1
        if self._producer.flush(60):
            raise TimeoutError("the broker did not acknowledge the requests within 60 s")
        answered = self._sent * self._kind.size
        until(lambda: count_offsets(self._bootstrap, self._topics.results) == answered, "every request is answered")

    def figures(self) -> dict[str, dict[str, dict[str, float]]]:
        """Stop the worker; milliseconds to the door and to the event, by load."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(120)
        noted = {essay: (came_s, there_s) for essay, came_s, there_s in map(json.loads, self._notes.read_text().splitlines())}
        requested = dict(self._stamped(self._topics.requests, _ids_of_request))
        found: dict[str, dict[str, list[float]]] = {}
        for correlation_id, event_s in self._stamped(self._topics.results, _id_of_event):
            came_s, there_s = noted[self._essay_of[correlation_id]]
            times = found.setdefault(self._load_of[correlation_id], {"to_door": [], "to_event": []})
            # The broker's times are whole milliseconds, cut off; half of one is added, so that the mean is right.
            times["to_door"].append(came_s - requested[correlation_id] - 0.0005)
            times["to_event"].append(event_s + 0.0005 - there_s)
        return {
            name: {way: latencies(values) for way, values in times.items()}
            for name, times in found.items()
            if name not in ("warm", "burst")
        }

    def _stamped(self, topic: str, ids_of: Any) -> Iterator[tuple[str, float]]:
        for record in read_topic(self._bootstrap, topic):
            for correlation_id in ids_of(json.loads(record.value)["data"]):
                yield correlation_id, record.timestamp_ms / 1000


def _ids_of_request(data: dict[str, Any]) -> list[str]:
    return [str(one["correlation_id"]) for one in data.get("comparisons", [data])]


def _id_of_event(data: dict[str, Any]) -> list[str]:
    return [str(data["correlation_id"])]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each kind at each rate")
    main(parser.parse_args())
