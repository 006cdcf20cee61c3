"""What /api/v1/providers tells: which providers the gateway knows to have an account, or all where it cannot know."""

from typing import Any, cast

from starlette.testclient import TestClient

from domain.providers import PROVIDERS
from gateway.app import create_app
from gateway.door import Door
from gateway.health import Health
from gateway.metrics import Metrics
from settings.settings import Settings, load_settings


def _told(settings: Settings) -> dict[str, dict[str, Any]]:
    door, health = cast(Door, _Unused()), cast(Health, _Unused())
    with TestClient(create_app(settings, door, health, Metrics())) as client:
        return {one["name"]: one for one in client.get("/api/v1/providers").json()["providers"]}


class _Unused:
    """The paths of other parts are routes, and none of them is asked."""

    async def comparison(self) -> None: ...
    async def healthz(self) -> None: ...
    async def readyz(self) -> None: ...


def test_a_gateway_without_keys_takes_posts_for_all() -> None:
    told = _told(load_settings({}))
    assert told.keys() == PROVIDERS.keys()
    assert all(one["enabled"] and one["available"] for one in told.values())


def test_a_gateway_with_the_workers_environment_tells_what_is_configured() -> None:
    settings = load_settings({"ANTHROPIC_API_KEY": "k", "ROUNDBATCH_MOCK__ENABLED": "true"})
    told = _told(settings)
    assert {name for name, one in told.items() if one["enabled"] and one["available"]} == {"anthropic", "mock"}
    assert told["anthropic"]["default_model"] == settings.anthropic.model
