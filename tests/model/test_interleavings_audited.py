"""The interleavings of both modules of that name, and lost batches that do not tell whose they are, with every line audited."""

import pytest

from tests.model.audited import AuditedWorld
from tests.model.test_find_lost import *  # noqa: F403 - all of its tests, in the world of this file
from tests.model.test_interleavings_comparisons import *  # noqa: F403 - likewise
from tests.model.test_interleavings_jobs import *  # noqa: F403 - likewise
from tests.model.world import World


@pytest.fixture
def world_class() -> type[World]:
    return AuditedWorld
