"""Tests in several processes: each runs once and is reported, whatever becomes of the process that it runs in."""

import os
import subprocess
import sys
from pathlib import Path

from tests.harness.running_order import TESTS
from tests.waiting import LIMIT_S

CONFTEST = """
import os, pathlib, pytest
from tests.harness import together

BEGUN = []

def pytest_runtestloop(session):
    together.run(session, 2, lambda: BEGUN.append(os.getpid()))
    return True

@pytest.fixture(scope="session", autouse=True)
def noted(tmp_path_factory):
    yield
    assert BEGUN == [os.getpid()]
    with open(tmp_path_factory.getbasetemp() / "ended", "a") as ended:
        ended.write(f"{os.getpid()}\\n")
"""
FILES = {
    "unit/test_good.py": """
import os, pytest
from tests.waiting import until
def test_meets_the_other_process(tmp_path_factory):
    (tmp_path_factory.getbasetemp() / "good").touch()
    until((tmp_path_factory.getbasetemp() / "other").exists, "the other process has its file")
@pytest.mark.parametrize("number", range(19))
def test_passes(number, tmp_path):
    print("of process", os.getpid())
@pytest.mark.skip(reason="told why")
def test_skipped():
    pass
""",
    "unit/test_other.py": """
from tests.waiting import until
def test_fails(tmp_path):
    (tmp_path.parent / "other").touch()
    until((tmp_path.parent / "good").exists, "the other process has its file")
    print("what it printed")
    assert tmp_path == "nowhere"
""",
}

BESIDE = {
    "unit/test_beside_fails.py": """
from tests.waiting import until
def test_fails(tmp_path):
    until(lambda: (tmp_path.parent / "slow").exists(), "the other one runs")
    raise AssertionError
""",
    "unit/test_beside_slow.py": """
import time
def test_slow(tmp_path):
    (tmp_path.parent / "slow").touch()
    time.sleep(3600)  # until it is interrupted
""",
}


def played(folder: Path, *arguments: str, **files: str) -> "subprocess.CompletedProcess[str]":
    """Pytest over these files, in two processes."""
    for name, content in {"conftest.py": CONFTEST, **FILES, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--basetemp", str(folder / "temporary")]
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    command += ["-c", os.devnull, "--rootdir", str(folder), "--import-mode=importlib", *arguments, str(folder)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def test_each_test_is_run_once_and_told_of_in_one_report(tmp_path: Path) -> None:
    done = played(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 20 passed, 1 skipped" in done.stdout
    assert "told why" in done.stdout
    assert "what it printed" in done.stdout
    assert "of process" not in done.stdout  # but of those that failed nothing is shown
    ended = (tmp_path / "temporary/ended").read_text().split()
    assert len(ended) == len(set(ended)) == 2  # the fixtures of a session were ended in both


def test_a_process_that_ends_within_a_test_has_failed_it_and_what_it_leaves_is_named(tmp_path: Path) -> None:
    dying = {"unit/test_dying.py": "import os\ndef test_dies(): os._exit(7)\ndef test_never(): pass"}
    done = played(tmp_path, "-k", "passes or skipped or dying", **dying)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the process that ran this test has ended with 7" in done.stdout
    assert "1 tests were not run, for the process that had them has ended: unit/test_dying.py::test_never" in done.stdout
    assert "1 failed, 19 passed, 1 skipped" in done.stdout


def test_at_the_first_failure_all_are_stopped_and_end_their_fixtures(tmp_path: Path) -> None:
    done = played(tmp_path, "-x", "-k", "beside", **BESIDE)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "stopping after 1 failures" in done.stdout
    assert len((tmp_path / "temporary/ended").read_text().split()) == 2


def test_a_fixture_of_the_session_that_fails_at_its_end_fails_the_run(tmp_path: Path) -> None:
    ending = """
import pytest
@pytest.fixture(scope="session")
def lasting():
    yield
    raise RuntimeError("cannot end it")
def test_ending(lasting): pass
"""
    done = played(tmp_path, "-k", "ending", **{"unit/test_ending.py": ending})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "at the end of one of the processes" in done.stdout
    assert "cannot end it" in done.stdout
    assert "1 passed" in done.stdout
