"""The HTTP client under both SDKs: it counts every attempt by endpoint and status, and reads bodies by hand."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2

from providers.failures import UnreadableBody

CONNECT_TIMEOUT_S = 10.0
_WORDS = frozenset({"messages", "batches", "results", "cancel", "files", "content", "chat", "completions", "models"})


class CountingClient(httpx2.AsyncClient):
    """Calls `on_http(endpoint, status)` once for each attempt; status is the number, or the name of what broke."""

    def __init__(self, on_http: Callable[[str, str], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._on_http = on_http

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send one request; a cancelled one (a time limit above) is counted too, for the provider may have served it."""
        endpoint = endpoint_of(request.method, request.url.path)
        try:
            response = await super().send(request, **options)
        except (httpx2.HTTPError, asyncio.CancelledError) as error:
            self._on_http(endpoint, type(error).__name__)
            raise
        self._on_http(endpoint, str(response.status_code))
        return response


def counting_client(
    on_http: Callable[[str, str], None],
    *,
    read_timeout_s: float,
    max_connections: int,
    transport: httpx2.AsyncBaseTransport | None,
) -> CountingClient:
    """The client for one account; `transport` None means the network."""
    return CountingClient(
        on_http,
        timeout=timeouts(read_timeout_s),
        limits=httpx2.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
        follow_redirects=True,
        transport=transport,
    )


def timeouts(seconds: float) -> httpx2.Timeout:
    """Time limits of one attempt: at most 10 s to connect, `seconds` for everything else."""
    return httpx2.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_S))


def endpoint_of(method: str, path: str) -> str:
    """A label without ids: "GET messages/batches/{id}/results"; what stands before v1 is a proxy's prefix and left out."""
    parts = [part for part in path.split("/") if part]
    if "v1" in parts:
        parts = parts[parts.index("v1") + 1 :]
    return f"{method} " + "/".join(part if part in _WORDS else "{id}" for part in parts)


def body_object(response: httpx2.Response) -> dict[str, Any]:
    """The JSON object in the body of a success.

    Raises UnreadableBody. By hand, since the SDKs hand a body of another content type back as text without a word.
    """
    try:
        value = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody(f"{len(response.content)} bytes that are not JSON") from error
    if not isinstance(value, dict):
        raise UnreadableBody(f"a JSON {type(value).__name__}, not an object")
    return value
