"""Fixtures that all tests share."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from simulator.control import SimulatorControl
from simulator.process import running_simulator
from tests.brokers import running_kafka
from tests.brokers.secured import SecuredKafka, running_secured_kafka
from tests.harness.deployment import Deployment, deployment

# An example may take as long as a busy machine makes it take: with Hypothesis's limit of 200 ms tests failed by chance.
hypothesis.settings.register_profile("roundbatch", deadline=None)
hypothesis.settings.load_profile("roundbatch")

# What takes longest begins first, so that no process is left alone with it at the end.
FIRST = ("chaos", "integration", "contract")
# Tests of these folders share nothing but the broker of their process: each goes to whichever process is free.
APART = ("chaos",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell pytest-xdist (`--dist loadgroup`) the order, and which tests stay together: those of a file."""
    tests = Path(__file__).parent

    def folder(item: pytest.Item) -> str:
        return item.path.relative_to(tests).parts[0]

    items.sort(key=lambda item: FIRST.index(folder(item)) if folder(item) in FIRST else len(FIRST))
    for item in items:
        if folder(item) not in APART or item.get_closest_marker("together"):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(tests))))


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real Kafka, one for the whole process: tests keep apart by the names of their topics."""
    with running_kafka() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def secured_kafka() -> Iterator[SecuredKafka]:
    """A real Kafka with TLS, passwords and access control lists, one for the whole process."""
    with running_secured_kafka() as started:
        yield started


@pytest.fixture
def unique() -> str:
    """A short name that no other test has, for topics, groups and app ids: "t-" and eight hex digits."""
    return f"t-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorControl]:
    """A simulator of this test's own; batches last 0.3 s, and its judge does not err."""
    with running_simulator(batch_duration_s=0.3, judge_error_rate=0.0, ledger=tmp_path / "ledger.sqlite") as control:
        yield control


@pytest.fixture
def deployed(kafka: str, unique: str, tmp_path: Path, simulator: SimulatorControl) -> Iterator[Deployment]:
    """Topics and workers of this test's own, on the shared Kafka."""
    with deployment(kafka, unique, tmp_path, simulator) as made:
        yield made
