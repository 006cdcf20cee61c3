"""A worker, or a gateway, as a process of its own, on topics of its own."""

import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from tests.brokers.ports import free_ports
from tests.harness.forked import forked_command
from tests.waiting import LIMIT_S, until

ANSWER_S = 30.0  # to one request over HTTP


class RoundbatchProcess:
    """`roundbatch COMMAND` with this environment; its log is a file, its endpoints are on a port of 127.0.0.1."""

    def __init__(self, command: str, env: Mapping[str, str], log: Path, port: int) -> None:
        self.command, self.port, self.log_path = command, port, log
        log.touch()
        self.process = forked_command(command, env, str(log))

    def wait_ready(self) -> Self:
        """Return once /readyz says so."""
        until(self.is_ready, f"the {self.command} is ready", self.tail, every_s=0.1)
        return self

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        assert self.process.poll() is None, f"the {self.command} ended with {self.process.returncode}:\n{self.tail()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=ANSWER_S) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False  # not listening yet

    def wait_exit(self) -> int:
        """Wait for the process to end by itself (a crash point, a fail-stop); its return code, -9 for SIGKILL."""
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {LIMIT_S:g} s:\n{self.tail()}") from None

    def wait_stopped(self) -> None:
        """Wait until the process is asleep by SIGSTOP (a stop point)."""

        def asleep() -> bool:
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

        until(asleep, f"the {self.command} is asleep", self.tail)

    def wake(self) -> None:
        """Wake it from SIGSTOP."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(LIMIT_S)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait_exit()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0.0 where there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=ANSWER_S) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)


class WorkerProcess(RoundbatchProcess):
    """`roundbatch worker`."""

    def __init__(self, env: Mapping[str, str], log: Path, state: str = "") -> None:
        self.state = state  # the name of its state directory
        self.health_port = free_ports(1)[0]
        super().__init__("worker", {**env, "ROUNDBATCH_HEALTH_PORT": str(self.health_port)}, log, self.health_port)
