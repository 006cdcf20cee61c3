"""What the chaos tests share: short times, so that what is lost with a worker is found again in seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.control import SimulatorControl
from tests.harness.deployment import Deployment, deployment
from tests.harness.forked import forked_simulator

TIMES = {
    # A killed worker's partitions are given away after the session. Shorter ones run out on a busy machine.
    "ROUNDBATCH_BROKER_SESSION_TIMEOUT_S": "2",
    # Absence is certain after the sum of these four: 4.6 s.
    "ROUNDBATCH_TESTING__START_WITHIN_S": "2",
    "ROUNDBATCH_TESTING__CREATE_TIMEOUT_S": "1.9",
    "ROUNDBATCH_TESTING__CLOCK_SKEW_S": "0.2",
    "ROUNDBATCH_TESTING__LIST_SETTLE_S": "0.5",
}


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorControl]:
    """A simulator of this test's own whose judge does not err: an answer given to the wrong member shows."""
    with forked_simulator(batch_duration_s=0.3, judge_error_rate=0.0, ledger=tmp_path / "ledger.sqlite") as control:
        yield control


@pytest.fixture
def deployed(kafka: str, unique: str, tmp_path: Path, simulator: SimulatorControl) -> Iterator[Deployment]:
    """Topics and workers of this test's own, with short times."""
    with deployment(kafka, unique, tmp_path, simulator, **TIMES) as made:
        yield made
