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
from tests.harness.shared import shared

# An example may take as long as a busy machine makes it take: with Hypothesis's limit of 200 ms tests failed by chance.
hypothesis.settings.register_profile("roundbatch", deadline=None)
hypothesis.settings.load_profile("roundbatch")
share_tls()

# What takes longest begins first, so that no process is left alone with it at the end.
FIRST = ("chaos", "integration", "contract")
# Tests of these files share nothing but the broker: each goes to whichever process is free.
APART = ("test_killed_at_a_point.py", "test_strategies_killed.py", "test_two_workers.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which they are to begin."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """The place in FIRST of a test's folder; behind all of them where it has none."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take what was imported and collected out of every later collection of garbage: some tests collect on purpose.

    Where tests need forked processes, the fork server begins to import now, while Kafka starts.
    """
    gc.collect()
    gc.freeze()
    if any(_place(item) < len(FIRST) for item in session.items):
        ensure_running()


class ByFile(LoadScopeScheduling):
    """The tests of a file in one process, for they share fixtures, but those of APART.

    pytest-xdist's own `--dist loadgroup` does nothing under pytest 9.2, which does not read the node ids that it changes.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file.rpartition("/")[2] in APART else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """What deals the tests out to processes."""
    return ByFile(config, log)


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
