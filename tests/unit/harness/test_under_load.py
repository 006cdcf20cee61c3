"""The loops that `make test-under-load` runs beside the tests end with them."""

import os
import sys

import pytest

from tests.harness.under_load import LOOPS, busy, main


def test_the_loops_run_for_as_long_as_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    count = (
        "import os, pathlib; print(len(pathlib.Path(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read_text().split()))"
    )
    before = len(children())
    assert main([sys.executable, "-c", f"{count}; raise SystemExit(3)"]) == 3
    assert int(capfd.readouterr().out) == before + LOOPS + 1
    assert len(children()) == before


def test_they_end_when_what_runs_beside_them_fails() -> None:
    with pytest.raises(ZeroDivisionError), busy(1) as pids:
        raise ZeroDivisionError
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def children() -> list[str]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()
