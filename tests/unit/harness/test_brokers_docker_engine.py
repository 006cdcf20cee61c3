"""A command with a Docker engine in reach, and what happens where there is none."""

import os
import sys
from pathlib import Path

import pytest

from tests.brokers import BrokerUnavailable, containers, debian, docker_engine

SUCCEEDS = [sys.executable, "-c", ""]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine answers, none is installed, and we may install nothing."""
    monkeypatch.setattr(docker_engine, "answers", lambda host=None: False)
    monkeypatch.setattr(debian, "can_install", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_without_an_engine_the_command_is_not_run(no_engine: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert docker_engine.main(SUCCEEDS) == docker_engine.NO_ENGINE
    assert "no Docker engine answers" in capsys.readouterr().err


def test_without_an_engine_there_is_no_broker_in_a_container(no_engine: None) -> None:
    with pytest.raises(BrokerUnavailable, match="make test-containers"), containers.running():
        pass


def test_an_engine_that_answers_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_engine, "answers", lambda host=None: True)
    monkeypatch.setenv("DOCKER_HOST", "unix:///given.sock")
    with docker_engine.running_engine():
        assert os.environ["DOCKER_HOST"] == "unix:///given.sock"


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_the_command_s(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_engine, "answers", lambda host=None: True)
    assert docker_engine.main([sys.executable, "-c", f"raise SystemExit({code})"]) == code


def test_an_engine_that_does_not_answer_is_no_error(tmp_path: Path) -> None:
    assert not docker_engine.answers(f"unix://{tmp_path}/no.sock")


def test_a_command_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert docker_engine.main([]) == 2
    assert "usage" in capsys.readouterr().err
