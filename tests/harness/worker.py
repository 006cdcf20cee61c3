"""A worker as a process of its own, on topics of its own."""

import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.brokers.ports import free_ports
from tests.harness.forked import ForkedWorker

# A start takes 2 s on an idle machine. These are for one that is many times slower, and for broken workers.
READY_S = 240.0
EXIT_S = 240.0


class WorkerProcess:
    """`roundbatch worker` with this environment; its log is a file."""

    def __init__(self, env: Mapping[str, str], log: Path, state: str = "") -> None:
        self.state = state  # the name of its state directory
        self.health_port = free_ports(1)[0]
        self.log_path = log
        log.touch()
        self.process = ForkedWorker({**env, "ROUNDBATCH_HEALTH_PORT": str(self.health_port)}, str(log))

    def wait_ready(self, timeout_s: float = READY_S) -> "WorkerProcess":
        """Return once /readyz says so."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the worker ended with {self.process.returncode}:\n{self.tail()}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/readyz", timeout=5) as answer:
                    if answer.status == 200:
                        return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)  # not listening yet
            else:
                time.sleep(0.1)
        raise AssertionError(f"not ready in {timeout_s} s:\n{self.tail()}")

    def wait_exit(self, timeout_s: float = EXIT_S) -> int:
        """Wait for the process to end by itself (a crash point, a fail-stop); its return code, -9 for SIGKILL."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s:\n{self.tail()}") from None

    def wait_stopped(self, timeout_s: float = EXIT_S) -> None:
        """Wait until the process is asleep by SIGSTOP (a stop point)."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "T":
                return
            time.sleep(0.05)
        raise AssertionError(f"not stopped in {timeout_s} s:\n{self.tail()}")

    def wake(self) -> None:
        """Wake it from SIGSTOP."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait_exit()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0.0 where there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.split("{")[0].split(" ")[0] == name and all(part in line for part in wanted)
        )

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
