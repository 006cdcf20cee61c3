"""The points themselves: they strike where they are told to, and nowhere else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PASSAGES = (
    "import streams.crashpoints as c; c.point('a', 0); c.point('b', 1); c.point('a', 1); c.point('a', 1); print('passed')"
)
CHECKOUT = Path(__file__).resolve().parents[2]


def passing(**armed: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDBATCH_")}
    return subprocess.run(
        [sys.executable, "-c", PASSAGES], env={**env, **armed}, cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "armed", [{}, {"ROUNDBATCH_CRASH_AT": "c"}, {"ROUNDBATCH_CRASH_AT": "a:4"}, {"ROUNDBATCH_CRASH_AT": "b@0"}]
)
def test_points_that_nobody_armed_do_nothing(armed: dict[str, str]) -> None:
    done = passing(**armed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "passed\n", "")


@pytest.mark.parametrize("armed", ["a", "b", "a:3", "a@1", "a:2@1"])
def test_an_armed_point_kills(armed: str) -> None:
    done = passing(ROUNDBATCH_CRASH_AT=armed)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
