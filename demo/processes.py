"""The processes of a demo: started, waited for, watched, and ended in the reverse order, whatever happens."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

Found = TypeVar("Found")

#: A worker lets calls in flight finish after SIGTERM; in the demo none takes longer than a second or two.
STOP_S = 15.0
LOOK_S = 0.05
LAST_LINES = 12


class ProcessFailed(Exception):
    """A process of the demo ended early or did not get ready; the message says which and shows its last lines."""


@dataclass(frozen=True, slots=True)
class Process:
    """A started process; stdout and stderr go to `log`."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def failed(self, how: str) -> ProcessFailed:
        """Say what happened to it, with the last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        shown = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
        return ProcessFailed(f"the {self.name} {how}; the last lines of {self.log}:\n{shown}")


class Processes:
    """Processes in a session of their own each, so that Ctrl-C reaches the demo alone, which then ends them in order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: list[Process] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Process:
        """Start a process; its stdin stays open for as long as this one lives."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self._started.append(process)
        return process

    def check(self) -> None:
        """Raise ProcessFailed if any process has ended."""
        for process in self._started:
            code = process.popen.poll()
            if code is not None:
                ending = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
                raise process.failed(f"ended early with {ending}")

    def lost(self, error: Exception) -> ProcessFailed:
        """Say why contact was lost: because of the process that ended, if one ends within a second, or the error itself."""
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            try:
                self.check()
            except ProcessFailed as failure:
                return failure
            time.sleep(LOOK_S)
        return ProcessFailed(f"contact lost, while every process runs: {error}")

    def wait_event(self, process: Process, event: str, timeout_s: float) -> dict[str, Any]:
        """Wait for the JSON line in its log whose `event` is the given one, and return it. Errors: ProcessFailed."""
        return self._wait(process, lambda: _event(process.log, event), timeout_s, lambda: f"no line with event {event}")

    def wait_ready(self, process: Process, url: str, timeout_s: float) -> None:
        """Wait until a GET of `url` answers 200. Errors: ProcessFailed, with what was not ready at the last look."""
        last = ["nothing listens"]

        def look() -> bool | None:
            last[0] = _not_ready(url)
            return None if last[0] else True

        self._wait(process, look, timeout_s, lambda: last[0])

    def close(self) -> None:
        """End all by SIGTERM, last started first, each given STOP_S before SIGKILL. Ctrl-C does not interrupt it."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            while self._started:
                _end(self._started.pop())
        finally:
            signal.signal(signal.SIGINT, before)

    def _wait(self, process: Process, look: Callable[[], Found | None], timeout_s: float, missing: Callable[[], str]) -> Found:
        end = time.monotonic() + timeout_s
        while True:
            found = look()
            if found is not None:
                return found
            self.check()
            if time.monotonic() > end:
                raise process.failed(f"was not ready within {timeout_s:g} s ({missing()})")
            time.sleep(LOOK_S)


def _event(log: Path, event: str) -> dict[str, Any] | None:
    for line in log.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and told.get("event") == event:
                return told
    return None


def body_of(url: str) -> bytes:
    """What a GET answers. Errors: OSError."""
    # The environment's proxy is not used: it would look for 127.0.0.1 on its own machine.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
        found: bytes = answer.read()
        return found


def _not_ready(url: str) -> str:
    """What is not ready at this URL, in words; empty when it answers 200."""
    try:
        body_of(url)
        return ""
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode(errors="replace")[:500] or f"status {error.code}"
    except OSError as error:
        return str(error) or type(error).__name__


def _end(process: Process) -> None:
    if process.popen.poll() is None:
        process.popen.terminate()
        try:
            process.popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"the {process.name} (pid {process.popen.pid}) did not end {STOP_S:g} s after SIGTERM: killed\n")
            process.popen.kill()
            process.popen.wait()
        if process.popen.returncode not in (0, -signal.SIGTERM):
            ending = process.failed(f"ended with exit code {process.popen.returncode} after SIGTERM")
            sys.stderr.write(f"{ending}\n")
    if process.popen.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.popen.stdin.close()
