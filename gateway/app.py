"""The gateway's paths, as an ASGI application. Every answer but that of /metrics is a JSON object, errors too.

CJ gives its whole batch up when the JSON of an error is no object.
"""

import structlog
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.providers import PROVIDERS
from gateway.door import Door
from gateway.health import Health
from gateway.metrics import Metrics
from settings.settings import Settings
from streams.wire.comparison_body import shown

log = structlog.get_logger("gateway")


def create_app(settings: Settings, door: Door, health: Health, metrics: Metrics) -> Starlette:
    """All paths over these parts."""
    models = _Models(settings)

    async def told(_: Request) -> Response:
        return Response(generate_latest(metrics.registry), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    app = Starlette(
        routes=[
            Route("/api/v1/comparison", door.comparison, methods=["POST"]),
            Route("/api/v1/models", models.models),
            Route("/api/v1/providers", models.providers),
            Route("/api/v1/status/{id}", _no_status),
            Route("/api/v1/results/{id}", _no_status),
            Route("/healthz", health.healthz),
            Route("/readyz", health.readyz),
            Route("/metrics", told),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    app.router.redirect_slashes = False
    return app


class _Models:
    """The providers, each with the model that requests without a model's name get. Requests may name other models, too."""

    def __init__(self, settings: Settings) -> None:
        self._defaults = {name: settings.provider(name).model for name in PROVIDERS}
        # A gateway needs no keys. Where it has none it cannot know which providers the workers have, and takes posts for all.
        self._enabled = frozenset(settings.configured_providers or PROVIDERS)

    async def models(self, request: Request) -> Response:
        provider = request.query_params.get("provider")
        if provider is not None and provider not in PROVIDERS:
            known = ", ".join(PROVIDERS)
            return JSONResponse({"error": f"Invalid provider: {shown(provider)} is none of {known}"}, 400)
        asked = PROVIDERS if provider is None else (provider,)
        return JSONResponse({"providers": {name: [{"model_id": self._defaults[name], "is_default": True}] for name in asked}})

    async def providers(self, _: Request) -> Response:
        return JSONResponse({"providers": [self._provider(name) for name in PROVIDERS]})

    def _provider(self, name: str) -> dict[str, object]:
        """A provider, in the members that LPS tells of it; only a worker knows whether the provider answers at the moment."""
        enabled = name in self._enabled
        return {"name": name, "default_model": self._defaults[name], "enabled": enabled, "available": enabled}


async def _no_status(request: Request) -> Response:
    error = f"Nothing is kept under {shown(request.path_params['id'])}: results come as events on the callback topic"
    return JSONResponse({"error": error}, 404)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=request.url.path, error=type(error).__name__)
    return JSONResponse({"error": "Internal error", "details": "the gateway's log says more: send it again"}, 500)
