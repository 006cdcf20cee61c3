"""What the contract tests share: one simulator, and an adapter of each provider with keys of the test's own."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from providers.protocol import Provider
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import ADAPTERS, BATCHERS, AnyAdapter, Counts, Open, base_url_of
from tests.harness.forked import forked_simulator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what `@pytest.mark.not_of(kind, because, when=lambda case: True)` says: cases that a provider's API has not."""
    items[:] = [item for item in items if not any(map(partial(_leaves_out, item), item.iter_markers("not_of")))]


def _leaves_out(item: pytest.Item, mark: pytest.Mark) -> bool:
    assert isinstance(item, pytest.Function)
    case = item.callspec.params
    kind, _because = mark.args
    return case["kind"] == kind and bool(mark.kwargs.get("when", lambda case: True)(case))


@pytest.fixture(scope="session")
def process() -> Iterator[SimulatorControl]:
    """One for all files that need no other settings."""
    with forked_simulator(
        bad_keys=["bad-key"],
        workspaces={"other-key": "another workspace"},
        call_max_bytes=200_000,
        judge_error_rate=0.0,
        unknown_models=["no-such-model", "acme/no-such-model"],
    ) as control:
        yield control


@pytest.fixture
def simulator(process: SimulatorControl) -> SimulatorControl:
    """The same as if it had just started."""
    process.reset()
    return process


@pytest.fixture(params=BATCHERS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
async def open_with(simulator: SimulatorControl, kind: str, counts: Counts, monkeypatch: Any) -> AsyncIterator[Open]:
    """Opens the provider with a key of the test's own; the environment's must never be used."""
    for name in ("ANTHROPIC", "OPENAI", "GOOGLE", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "bad-key")
        monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:9/")
    opened: list[AnyAdapter] = []

    def open_one(api_key: str = "good-key", base_url: str | None = None) -> AnyAdapter:
        url = base_url or base_url_of(simulator, kind)
        opened.append(ADAPTERS[kind](api_key, base_url=url, on_http=counts.on_http, on_dropped=counts.on_dropped))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
def provider(open_with: Open) -> Provider:
    return open_with()
