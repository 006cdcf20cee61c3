"""Fixtures that all tests share."""

import gc
import os
import uuid
from collections.abc import Iterator
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from simulator.control import SimulatorControl
from tests.brokers import running_kafka
from tests.brokers.secured import SecuredKafka, running_secured_kafka
from tests.harness.deployment import Deployment, deployment
from tests.harness.forked import forked_simulator
from tests.harness.one_tls import share_tls
from tests.harness.running_order import TESTS, in_order, scope_of
from tests.harness.shared import shared

FORKING = ("chaos", "contract", "integration")  # folders whose tests need forked processes

# An example may take as long as a busy machine makes it take: with Hypothesis's limit of 200 ms tests failed by chance.
hypothesis.settings.register_profile("roundbatch", deadline=None)
hypothesis.settings.load_profile("roundbatch")
share_tls()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which they are to begin."""
    items[:] = in_order(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take what was imported and collected out of every later collection of garbage: some tests collect on purpose.

    Where tests need forked processes, the fork server begins to import now, while Kafka starts.
    """
    gc.collect()
    gc.freeze()
    if any(item.path.relative_to(TESTS).parts[0] in FORKING for item in session.items):
        ensure_running()


class ByScope(LoadScopeScheduling):
    """The tests of a scope in one process.

    pytest-xdist's own `--dist loadgroup` does nothing under pytest 9.2, which does not read the node ids that it changes.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByScope:
    """What deals the tests out to processes."""
    return ByScope(config, log)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run know."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def kafka(run_folder: Path) -> Iterator[str]:
    """Bootstrap servers of a real Kafka, one for the whole run: tests keep apart by the names of their topics."""
    with shared(run_folder, "kafka", running_kafka) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def secured_kafka(run_folder: Path) -> Iterator[SecuredKafka]:
    """A real Kafka with TLS, passwords and access control lists, one for the whole run."""
    with shared(run_folder, "secured-kafka", running_secured_kafka) as started:
        yield started


@pytest.fixture
def unique() -> str:
    """A short name that no other test has, for topics, groups and app ids: "t-" and eight hex digits."""
    return f"t-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorControl]:
    """A simulator of this test's own; batches last 0.3 s, and its judge does not err."""
    with forked_simulator(batch_duration_s=0.3, judge_error_rate=0.0, ledger=tmp_path / "ledger.sqlite") as control:
        yield control


@pytest.fixture
def deployed(kafka: str, unique: str, tmp_path: Path, simulator: SimulatorControl) -> Iterator[Deployment]:
    """Topics and workers of this test's own, on the shared Kafka."""
    with deployment(kafka, unique, tmp_path, simulator) as made:
        yield made
