"""A state directory that cannot be used: exit 78 and one line that says which path, why, and what to do."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.environment import clean_environment
from tables.state_dir import StateDir, StateDirUnusable
from tests.harness.as_nobody import NOBODY, as_nobody, refused_with


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that any user may look into; its rights are given back at the end."""
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o055)
    yield tmp_path
    for path in tmp_path.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def refusal(path: Path) -> str:
    """What a user without root's rights is told."""
    return as_nobody(refused_with, path)


def a_file(state: Path) -> Path:
    state.write_text("")
    return state


def below_a_file(state: Path) -> Path:
    return a_file(state) / "state"


def not_creatable(state: Path) -> Path:
    state.mkdir(mode=0o555)
    return state / "state"


def not_writable(state: Path) -> Path:
    state.mkdir(mode=0o555)
    return state


def foreign_store(state: Path) -> Path:
    """Somebody else's volume: the folder itself may be written to."""
    (state / "faust" / "tables").mkdir(parents=True)
    state.chmod(0o777)
    (state / "faust" / "tables").chmod(0o555)
    return state


def foreign_file(state: Path) -> Path:
    state.mkdir()
    (state / "faust").mkdir()
    (state / "faust" / "CURRENT").write_text("")
    (state / "faust" / "CURRENT").chmod(0o400)
    for path in (state, state / "faust"):
        path.chmod(0o777)
    if not os.geteuid():
        os.chown(state / "faust" / "CURRENT", 1, 1)
    return state


@pytest.mark.parametrize("make", [a_file, below_a_file, not_creatable, not_writable, foreign_store, foreign_file])
def test_what_cannot_be_used_is_said_in_one_line(folder: Path, make: Callable[[Path], Path]) -> None:
    state = make(folder / "state")
    said = refusal(state)
    assert said.startswith(f"the state directory {state} cannot be used by user {os.geteuid() or NOBODY}: {folder}")
    assert "set ROUNDBATCH_STATE_DIR to another" in said
    assert "\n" not in said


def test_one_that_is_free_can_be_used_by_one(tmp_path: Path) -> None:
    first = StateDir(tmp_path / "state")
    first.open()
    with pytest.raises(StateDirUnusable, match="in use by another worker"):
        StateDir(tmp_path / "state").open()


def test_the_worker_ends_with_78_before_it_looks_for_kafka(tmp_path: Path) -> None:
    blocked = below_a_file(tmp_path / "state")
    ended = subprocess.run(
        [sys.executable, "-m", "cli", "worker"],
        env={
            **clean_environment(os.environ),
            "ANTHROPIC_API_KEY": "key",
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "ROUNDBATCH_STATE_DIR": str(blocked),
        },
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (78, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"the state directory {blocked} cannot be used")
