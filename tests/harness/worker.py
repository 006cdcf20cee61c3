"""A worker as a process of its own, on topics of its own."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.brokers.ports import free_ports

READY_S = 60.0
STOP_S = 40.0


class WorkerProcess:
    """`roundbatch worker` with this environment; its log is a file."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self.health_port = free_ports(1)[0]
        self.log_path = log
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ROUNDBATCH_", "ANTHROPIC_", "OPENAI_", "KAFKA_"))
        }
        self._log = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", "worker"],
            env={**clean, **env, "ROUNDBATCH_HEALTH_PORT": str(self.health_port)},
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[2],
        )

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

    def wait_exit(self, timeout_s: float = 60.0) -> int:
        """Wait for the process to end by itself (a crash point, a fail-stop); its return code, -9 for SIGKILL."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s:\n{self.tail()}") from None

    def wait_stopped(self, timeout_s: float = 60.0) -> None:
        """Wait until the process is asleep by SIGSTOP (a stop point)."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "T":
                return
            time.sleep(0.05)
        raise AssertionError(f"not stopped in {timeout_s} s:\n{self.tail()}")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(STOP_S)

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
        self._log.close()
