"""Workers, gateways and simulators, forked from a process that has imported everything (warm.py): a worker's start costs 0.5 s
of a core, not 3 s, a simulator's 0.05 s, not 0.6 s."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from subprocess import TimeoutExpired
from typing import Any, cast

from demo.environment import clean_environment
from simulator.control import SimulatorControl
from simulator.settings import SimulatorSettings
from tests.waiting import LIMIT_S

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["agents.worker", "cli.main", "cli.worker", "uvloop", "simulator.process", "gateway.server", "tests.harness.warm"]
)


def _reach_nothing_else(env: Mapping[str, str]) -> None:
    clean = clean_environment(os.environ)
    os.environ.clear()
    os.environ.update({**clean, **env})


def _become(command: str, env: Mapping[str, str], log: str) -> None:
    """`roundbatch COMMAND` in a forked child, with its output in a file."""
    _reach_nothing_else(env)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    from cli.main import app

    app([command], prog_name="roundbatch")


def _become_simulator(settings: str, told: Connection) -> None:
    """`python -m simulator` in a forked child; `told` gets what it prints: one line with its port."""
    _reach_nothing_else({})
    os.dup2(told.fileno(), 1)
    from simulator.process import serve

    serve(SimulatorSettings.model_validate_json(settings), "127.0.0.1", 0)


@contextmanager
def forked_simulator(**settings: Any) -> Iterator[SimulatorControl]:
    """What simulator.process.running_simulator gives, for 0.5 s of a core less."""
    checked = SimulatorSettings.model_validate(settings).model_dump_json()
    receiving, sending = _FORKS.Pipe(duplex=False)
    process = Forked(_become_simulator, checked, sending)
    sending.close()
    try:
        with receiving, open(receiving.fileno(), closefd=False) as lines:
            port = json.loads(lines.readline())["port"]
        yield SimulatorControl(f"http://127.0.0.1:{port}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)


class Forked:
    """A forked process as subprocess.Popen shows one."""

    def __init__(self, become: Callable[..., None], *arguments: Any) -> None:
        # Daemons are ended with the test run, should it break off.
        self._process = _FORKS.Process(target=become, args=arguments, daemon=True)
        self._process.start()
        self.pid = cast(int, self._process.pid)

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same, looked at now."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutExpired(str(self._process), timeout or 0.0)
        return code

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)


def forked_command(command: str, env: Mapping[str, str], log: str) -> Forked:
    """`roundbatch worker` or `roundbatch gateway` with this environment."""
    return Forked(_become, command, dict(env), log)
