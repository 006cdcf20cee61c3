"""A worker's process, forked from one that has imported everything (warm.py): a start costs 0.5 s of a core, not 3 s."""

import multiprocessing
import os
from collections.abc import Mapping
from subprocess import TimeoutExpired
from typing import cast

from demo.environment import clean_environment

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["agents.worker", "cli.main", "cli.worker", "uvloop", "tests.harness.warm"])


def _become_worker(env: Mapping[str, str], log: str) -> None:
    """`roundbatch worker` in a forked child, with its output in a file."""
    clean = clean_environment(os.environ)
    os.environ.clear()
    os.environ.update(clean | env)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    from cli.main import app

    app(["worker"], prog_name="roundbatch")


class ForkedWorker:
    """A forked process as subprocess.Popen shows one."""

    def __init__(self, env: Mapping[str, str], log: str) -> None:
        # Daemons are ended with the test run, should it break off.
        self._process = _FORKS.Process(target=_become_worker, args=(dict(env), log), daemon=True)
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
            raise TimeoutExpired("roundbatch worker", timeout or 0.0)
        return code

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)
