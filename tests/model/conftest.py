"""The fixture `world`."""

from collections.abc import AsyncIterator
from typing import NoReturn

import pytest

from streams import failstop
from tests.model.world import Stopped, World


@pytest.fixture
def world_class() -> type[World]:
    """Which world: a module of tests may choose another one."""
    return World


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch, world_class: type[World]) -> AsyncIterator[World]:
    """An empty world, whose processes end at the end of the test. A fail-stop is noted and breaks a promise when checked."""
    made = world_class()

    def stop(where: str, error: BaseException, at: failstop.RecordPlace | None = None) -> NoReturn:
        made.stopped.append(f"{where}: {error!r}")
        raise Stopped(where) from error

    monkeypatch.setattr(failstop, "stop", stop)
    yield made
    await made.stop()
