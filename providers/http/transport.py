"""The HTTP client under every adapter: it counts every attempt, hands on the headers, and reads bodies by hand."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import httpx2

from providers.http.failures import UnreadableBody

CONNECT_TIMEOUT_S = 10.0
# As many calls as MAX_CONCURRENT_CALLS may allow (at most 1,000), and some for polls: a call that waited here for a connection
# would be taken for one that the provider does not answer.
MAX_CONNECTIONS, KEPT_CONNECTIONS = 1_100, 100

_IDENTIFIED = frozenset({"batches", "files", "models"})
_VERSIONS = frozenset({"v1", "v1beta"})
_OPERATIONS = {
    "POST messages": "messages.create",
    "POST messages/batches": "batches.create",
    "GET messages/batches": "batches.list",
    "GET messages/batches/{id}": "batches.retrieve",
    "GET messages/batches/{id}/results": "batches.results",
    "POST messages/batches/{id}/cancel": "batches.cancel",
    "POST chat/completions": "chat.completions.create",
    "POST files": "files.create",
    "GET files": "files.list",
    "GET files/{id}": "files.retrieve",
    "DELETE files/{id}": "files.delete",
    "GET files/{id}/content": "files.content",
    "POST batches": "batches.create",
    "GET batches": "batches.list",
    "GET batches/{id}": "batches.retrieve",
    "POST batches/{id}/cancel": "batches.cancel",
    "GET models/{id}": "models.retrieve",
    "POST models/{id}:generateContent": "models.generate_content",
    "POST models/{id}:batchGenerateContent": "batches.create",
    "POST batches/{id}:cancel": "batches.cancel",
    "GET files/{id}:download": "files.content",
}


def timeouts(seconds: float) -> httpx2.Timeout:
    """Time limits of one attempt: at most 10 s to connect, `seconds` for everything else."""
    return httpx2.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_S))


TIMEOUTS = timeouts(60.0)  # of a request that is given no time limit of its own


class Hearer(Protocol):
    """Who wants to know of the requests of a block."""

    def left(self) -> None:
        """A request goes out."""
        ...

    def heard(self, answer: Mapping[str, str]) -> None:
        """The headers of an answer have come."""
        ...


_HEARER: ContextVar[Hearer | None] = ContextVar("_HEARER", default=None)


@contextmanager
def hearing(hearer: Hearer) -> Iterator[None]:
    """Tell `hearer` of every request that goes out within the block, and hand it the headers of every answer.

    By the context of the task: a provider without HTTP has the same protocol, and a failed call is heard like a good one.
    """
    token = _HEARER.set(hearer)
    try:
        yield
    finally:
        _HEARER.reset(token)


class CountingClient(httpx2.AsyncClient):
    """Calls `on_http(operation, status)` once for each attempt, and whoever is `hearing` with the headers of each answer.

    `operation` is a name as "batches.create", `status` the number, or "unreachable", "timeout", "reset" or "given_up".
    """

    def __init__(self, on_http: Callable[[str, str], None], transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """`transport` None means the network."""
        super().__init__(
            timeout=TIMEOUTS,
            limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS),
            follow_redirects=True,
            transport=transport,
        )
        self._on_http = on_http

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send one request; a cancelled one (a time limit above) is counted too, for the provider may have served it."""
        operation = operation_of(request.method, request.url.path)
        hearer = _HEARER.get()
        if hearer is not None:
            hearer.left()
        try:
            response = await super().send(request, **options)
        except (httpx2.HTTPError, asyncio.CancelledError) as error:
            self._on_http(operation, _broken(error))
            raise
        self._on_http(operation, str(response.status_code))
        if hearer is not None:
            hearer.heard(response.headers)
        return response


def _broken(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "given_up"
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return "unreachable"
    return "timeout" if isinstance(error, httpx2.TimeoutException) else "reset"


def operation_of(method: str, path: str) -> str:
    """The operation's name, "other" for one that this program does not use; what stands before the version is a proxy's prefix.

    A path of Google's names a method behind its id, as "models/{id}:generateContent".
    """
    parts = [part for part in path.split("/") if part]
    version = next((index for index, part in enumerate(parts) if part in _VERSIONS), -1)
    parts = parts[version + 1 :]
    shape = [_without_id(part) if index and parts[index - 1] in _IDENTIFIED else part for index, part in enumerate(parts)]
    return _OPERATIONS.get(f"{method} {'/'.join(shape)}", "other")


def _without_id(part: str) -> str:
    return "{id}" + "".join(part.rpartition(":")[1:]) if ":" in part else "{id}"


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
