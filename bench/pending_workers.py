"""Worker processes with default times, over a topic whose requests stay pending: they wait for a tick that is days away.

Windows that are full before (10,000 comparisons a partition) are sent as batch jobs, which a simulator must keep for as long.
"""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from confluent_kafka import TopicPartition

from bench.processes import cpu_s, is_ready
from demo import clients
from demo.environment import clean_environment
from settings.kafka import KafkaSettings
from streams.wire.request_events import round_event
from tests.brokers.ports import free_ports
from tests.harness.deployment import Deployment

PARTITIONS = 4
A_ROUND = 12
LIMIT_S = 600.0
_PROMPT_BYTES = 230
_SHORTENED = (
    "ROUNDBATCH_BROKER_SESSION_TIMEOUT_S",
    "ROUNDBATCH_TESTING__COMMIT_INTERVAL_S",
    "ROUNDBATCH_TESTING__START_WITHIN_S",
    "ROUNDBATCH_TESTING__CREATE_TIMEOUT_S",
)
_NO_TICK = "0 0 1 1 *"  # on the first of January; the requests wait for at most 1,000 days


def environment(deployed: Deployment) -> dict[str, str]:
    """The environment of a worker that sends full windows only, with the default times where tests have shorter ones."""
    waits = {"ROUNDBATCH_NIGHTLY_LONGEST_WAIT_S": "86400000", "ROUNDBATCH_LONGEST_WAIT_S": "86400000"}
    crons = {f"ROUNDBATCH_{provider}__NIGHTLY_CRON": _NO_TICK for provider in ("ANTHROPIC", "OPENAI")}
    nightly = {"ROUNDBATCH_LLM_BATCHING_STRATEGY": "nightly", "ROUNDBATCH_PARTITIONS": str(PARTITIONS), **waits, **crons}
    env = {**deployed.environment(), **nightly, "ROUNDBATCH_LOG_LEVEL": "INFO"}
    return {name: value for name, value in env.items() if name not in _SHORTENED}


class PendingWorker:
    """`roundbatch worker` as a process of its own, from the first import on."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.port, self._log = free_ports(1)[0], log
        self.began_s = time.monotonic()
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli", "worker"],
                env={**clean_environment(os.environ), **env, "ROUNDBATCH_HEALTH_PORT": str(self.port)},
                stdout=out,
                stderr=out,
            )

    def wait_ready(self) -> Self:
        """Return once /readyz says so. Raises RuntimeError where the process ends, or takes too long."""
        while not is_ready(self.port):
            if self.process.poll() is not None or time.monotonic() - self.began_s > LIMIT_S:
                raise RuntimeError(f"the worker is not ready ({self.process.poll()}):\n{self._log.read_text()[-3000:]}")
            time.sleep(0.02)
        return self

    def cpu_s(self) -> float:
        """Processor seconds used so far."""
        return cpu_s(self.process.pid)

    def wait_idle(self) -> None:
        """Return once it has used less than a fifth of a core for two seconds."""
        until_s = time.monotonic() + LIMIT_S
        used_s = self.cpu_s()
        while time.monotonic() < until_s:
            time.sleep(2)
            before_s, used_s = used_s, self.cpu_s()
            if used_s - before_s < 0.4:
                return
        raise RuntimeError(f"the worker is still at work after {LIMIT_S:g} s:\n{self._log.read_text()[-3000:]}")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


def rounds(deployed: Deployment, comparisons: int) -> Iterator[tuple[bytes, bytes]]:
    """Records of 12 comparisons each, with their keys, for `Deployment.send_all`."""
    for _ in range(comparisons // A_ROUND):
        batch = uuid.uuid4().hex
        bodies = [deployed.body("openai", batch=batch, prompt_bytes=_PROMPT_BYTES) for _ in range(A_ROUND)]
        yield batch.encode(), round_event(bodies)


def wait_committed(deployed: Deployment, partitions: int = PARTITIONS) -> None:
    """Wait until the group has committed all of the request topic."""
    kafka = KafkaSettings(kafka_bootstrap_servers=deployed.bootstrap)
    consumer = clients.consumer(kafka, {"group.id": deployed.app_id, "log_level": 0, "enable.auto.commit": False})
    places = [TopicPartition(deployed.request_topic, number) for number in range(partitions)]
    try:
        ends = [consumer.get_watermark_offsets(place, timeout=30)[1] for place in places]
        until_s = time.monotonic() + LIMIT_S
        while any(found.offset < end for found, end in zip(consumer.committed(places, timeout=30), ends, strict=True) if end):
            if time.monotonic() > until_s:
                raise RuntimeError(f"not all was committed in {LIMIT_S:g} s")
            time.sleep(0.2)
    finally:
        consumer.close()
