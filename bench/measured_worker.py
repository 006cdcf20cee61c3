"""A worker process under measurement: started, watched until every result is there, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import TopicPartition

from bench.figures import Sample
from bench.processes import cpu_s
from demo import clients
from demo.environment import clean_environment
from settings.kafka import KafkaSettings
from tests.harness.memory import resident_bytes

_TIMEOUT_S = 600.0
_LOOK_S = 0.1


class Topics(NamedTuple):
    """The topics of one run, and how many partitions each has."""

    requests: str
    results: str
    partitions: int


def environment(bootstrap: str, name: str, topics: Topics, state: Path) -> dict[str, str]:
    """A worker's settings: the defaults, but for the first poll, for an instant provider must not wait 5 s for it."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "ANTHROPIC_API_KEY": "unused",
        "ROUNDBATCH_ANTHROPIC__POLL_FIRST_S": "0.01",
        "ROUNDBATCH_APP_ID": name,
        "ROUNDBATCH_REQUEST_TOPIC": topics.requests,
        "ROUNDBATCH_WORK_TOPIC": f"{name}.work",
        "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": topics.results,
        "ROUNDBATCH_PARTITIONS": str(topics.partitions),
        "ROUNDBATCH_STATE_DIR": str(state),
        "ROUNDBATCH_LOG_LEVEL": "WARNING",
        "ROUNDBATCH_HEALTH_PORT": "0",
    }


class MeasuredWorker:
    """One worker with its own application id, work topic and state; the request topic is full when it starts."""

    def __init__(self, bootstrap: str, name: str, folder: Path, topics: Topics, *, profile: Path | None = None) -> None:
        folder.mkdir(parents=True)
        self._folder, self._profile, self._result_topic = folder, profile, topics.results
        self._consumer = clients.consumer(
            KafkaSettings(kafka_bootstrap_servers=bootstrap),
            {"group.id": f"{name}-watch", "log_level": 0, "enable.auto.commit": False},
        )
        self._places = [TopicPartition(topics.results, number) for number in range(topics.partitions)]
        self._env = environment(bootstrap, name, topics, folder / "state")
        self._entries = [TopicPartition(f"{name}-requests-changelog", number, 0) for number in range(topics.partitions)]

    def measure(self, kind: str, count: int) -> Sample:
        """Run it until `count` results more are in the topic. Raises RuntimeError when it ends before, or sends too many."""
        before = self._ends()
        marks, log = self._folder / "marks.json", self._folder / "worker.log"
        command = [sys.executable, "-m", "bench.instant_worker", str(marks)]
        if self._profile is not None:
            self._profile.parent.mkdir(parents=True, exist_ok=True)
            command.append(str(self._profile))
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=clean_environment(os.environ) | self._env, stdout=out, stderr=out)
            try:
                self._wait(process, before, count, log)
                used_s, end, peak = cpu_s(process.pid), resident_bytes(process.pid), resident_bytes(process.pid, "VmHWM")
                process.send_signal(signal.SIGTERM)
                process.wait(120)
            finally:
                process.kill()
        mark = json.loads(marks.read_text())
        taken_in_s, last_s = self._last_entry_s(), self._check(before, count)
        began_s, memory = mark["started_s"], (mark["resident_bytes"], end, peak)
        return Sample(kind, count, last_s - began_s, used_s - mark["cpu_s"], *memory, taken_in_s - began_s)

    def _ends(self) -> list[int]:
        return [int(self._consumer.get_watermark_offsets(place, timeout=30)[1]) for place in self._places]

    def _wait(self, process: "subprocess.Popen[bytes]", before: list[int], count: int, log: Path) -> None:
        """Wait by asking for the topics' ends: a reader of records would take processor time from what is measured."""
        until = time.monotonic() + _TIMEOUT_S
        while sum(self._ends()) - sum(before) < count:
            if process.poll() is not None or time.monotonic() > until:
                state = "is not done" if process.poll() is None else f"ended with {process.returncode}"
                raise RuntimeError(f"the worker {state}:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(_LOOK_S)

    def _last_entry_s(self) -> float:
        """When the worker wrote the last entry of `requests` (seconds since the epoch): then all had been taken in."""
        last_ms, left = 0, sum(self._consumer.get_watermark_offsets(place, timeout=30)[1] for place in self._entries)
        self._consumer.assign(self._entries)
        while left:
            messages = self._consumer.consume(min(left, 1_000), timeout=30.0)
            if not messages:  # compacted meanwhile, for instance
                raise RuntimeError(f"{left} entries of {self._entries[0].topic} cannot be read")
            for message in messages:
                if message.error():
                    raise RuntimeError(str(message.error()))
                left -= 1
                if message.value() is not None:  # otherwise it is a finished request's
                    last_ms = max(last_ms, message.timestamp()[1])
        return last_ms / 1000

    def _check(self, before: list[int], count: int) -> float:
        """The append time of the last result in seconds; every id must have come exactly once."""
        ends, seen, last_ms = self._ends(), set[bytes](), 0
        self._consumer.assign(
            [TopicPartition(place.topic, place.partition, start) for place, start in zip(self._places, before, strict=True)]
        )
        records = 0
        while records < sum(ends) - sum(before):
            for message in self._consumer.consume(1_000, timeout=5.0):
                if message.error():
                    raise RuntimeError(str(message.error()))
                seen.add(message.key() or b"")
                last_ms = max(last_ms, message.timestamp()[1])
                records += 1
        self._consumer.close()
        if len(seen) != count or records != count:
            raise RuntimeError(f"{count} comparisons were requested, {records} results came, for {len(seen)} of them")
        return last_ms / 1000
