"""The ASGI application: all APIs and the control API on one port."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from simulator import anthropic_api, google_api, google_batches, google_files, openai_api, openai_batches, openrouter_api
from simulator.calls import Call, Handler, serve
from simulator.clock import Clock, RealClock
from simulator.control_api import Control
from simulator.errors import ApiError
from simulator.settings import SimulatorSettings
from simulator.simulation import Simulation

Endpoint = Callable[[Request], Awaitable[Response]]

ROUTES: tuple[tuple[str, str, str, str, Handler], ...] = (
    ("anthropic", "messages.create", "POST", "/v1/messages", anthropic_api.create_message),
    ("anthropic", "batches.create", "POST", "/v1/messages/batches", anthropic_api.create_batch),
    ("anthropic", "batches.list", "GET", "/v1/messages/batches", anthropic_api.list_batches),
    ("anthropic", "batches.retrieve", "GET", "/v1/messages/batches/{id}", anthropic_api.retrieve_batch),
    ("anthropic", "batches.delete", "DELETE", "/v1/messages/batches/{id}", anthropic_api.delete_batch),
    ("anthropic", "batches.cancel", "POST", "/v1/messages/batches/{id}/cancel", anthropic_api.cancel_batch),
    ("anthropic", "batches.results", "GET", "/v1/messages/batches/{id}/results", anthropic_api.batch_results),
    ("openai", "chat.completions.create", "POST", "/v1/chat/completions", openai_api.create_completion),
    ("openai", "files.create", "POST", "/v1/files", openai_api.create_file),
    ("openai", "files.list", "GET", "/v1/files", openai_api.list_files),
    ("openai", "files.retrieve", "GET", "/v1/files/{id}", openai_api.retrieve_file),
    ("openai", "files.delete", "DELETE", "/v1/files/{id}", openai_api.delete_file),
    ("openai", "files.content", "GET", "/v1/files/{id}/content", openai_api.file_content),
    ("openai", "batches.create", "POST", "/v1/batches", openai_batches.create_batch),
    ("openai", "batches.list", "GET", "/v1/batches", openai_batches.list_batches),
    ("openai", "batches.retrieve", "GET", "/v1/batches/{id}", openai_batches.retrieve_batch),
    ("openai", "batches.cancel", "POST", "/v1/batches/{id}/cancel", openai_batches.cancel_batch),
    ("openrouter", "chat.completions.create", "POST", "/openrouter/api/v1/chat/completions", openrouter_api.create_completion),
    ("openrouter", "key.retrieve", "GET", "/openrouter/api/v1/key", openrouter_api.show_key),
    ("google", "models.generate_content", "POST", "/v1beta/models/{model}:generateContent", google_api.generate_content),
    ("google", "batches.create", "POST", "/v1beta/models/{model}:batchGenerateContent", google_batches.create_batch),
    ("google", "batches.list", "GET", "/v1beta/batches", google_batches.list_batches),
    ("google", "batches.retrieve", "GET", "/v1beta/batches/{id}", google_batches.retrieve_batch),
    ("google", "batches.delete", "DELETE", "/v1beta/batches/{id}", google_batches.delete_batch),
    ("google", "batches.cancel", "POST", "/v1beta/batches/{id}:cancel", google_batches.cancel_batch),
    ("google", "files.list", "GET", "/v1beta/files", google_files.list_files),
    ("google", "files.retrieve", "GET", "/v1beta/files/{id}", google_files.retrieve_file),
    ("google", "files.delete", "DELETE", "/v1beta/files/{id}", google_files.delete_file),
    ("google", "files.content", "GET", "/download/v1beta/files/{id}:download", google_files.download_file),
    ("google", "models.list", "GET", "/v1beta/models", google_api.list_models),
    ("google", "models.retrieve", "GET", "/v1beta/models/{id}", google_api.retrieve_model),
)
"""Provider, endpoint's name (as the ledger and faults name it), method, path, handler."""

MODELS = {
    "models.list": {"anthropic": anthropic_api.list_models, "openai": openai_api.list_models},
    "models.retrieve": {"anthropic": anthropic_api.retrieve_model, "openai": openai_api.retrieve_model},
}
"""The paths that two APIs have: `/v1/models` and `/v1/models/{id}`."""

UPLOAD = "/upload/v1beta/files"
"""Where an upload to Google is started (`files.start`), and where, with an `upload_id`, its bytes go (`files.create`)."""


GATEWAY = "/gateway"
"""All APIs are served under this path too, as by a proxy whose base URL has a path of its own."""


def provider_of(request: Request) -> str:
    """Whose API is meant, for a path that two have or none: Anthropic's and Google's clients send headers of their own."""
    headers = request.headers
    if "x-goog-api-key" in headers:
        return "google"
    return "anthropic" if "anthropic-version" in headers or "x-api-key" in headers else "openai"


async def _unknown(call: Call) -> Response:
    raise ApiError(404, f"Not found: {call.request.method} {call.request.url.path}")


def create_app(settings: SimulatorSettings, clock: Clock | None = None) -> Starlette:
    """A simulator as an ASGI application; its `state.simulation` is the Simulation behind it."""
    simulation = Simulation(settings, clock or RealClock())

    def endpoint(provider: str, name: str, handler: Handler) -> Endpoint:
        return partial(serve, simulation, provider, name, handler)

    def shared(name: str) -> Endpoint:
        async def either(request: Request) -> Response:
            provider = provider_of(request)
            return await serve(simulation, provider, name, MODELS[name][provider], request)

        return either

    async def upload(request: Request) -> Response:
        if "upload_id" in request.query_params:
            return await serve(simulation, "google", "files.create", google_files.upload_bytes, request)
        return await serve(simulation, "google", "files.start", google_files.start_upload, request)

    async def unknown(request: Request) -> Response:
        return await serve(simulation, provider_of(request), "unknown", _unknown, request)

    routes: list[BaseRoute] = [
        Route(path, endpoint(provider, name, handler), methods=[method]) for provider, name, method, path, handler in ROUTES
    ]
    routes.append(Route("/v1/models", shared("models.list"), methods=["GET"]))
    routes.append(Route("/v1/models/{id}", shared("models.retrieve"), methods=["GET"]))
    routes.append(Route(UPLOAD, upload, methods=["POST", "PUT"]))
    routes.append(Mount(GATEWAY, routes=list(routes)))
    routes.extend(Control(simulation).routes())
    routes.append(Route("/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        simulation.settle()
        simulation.ledger.close()

    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.simulation = simulation
    return app
