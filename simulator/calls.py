"""One HTTP request to a provider's API, from authentication to the ledger."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from simulator import google_details
from simulator.errors import ApiError
from simulator.faults import CALLS
from simulator.latency import latency_s
from simulator.ledger import BatchRecord, CallRecord, PaidItem, key_hash
from simulator.simulation import Simulation, fault_error, fresh_id

ANTHROPIC_VERSION = "2026-10-21"
NOBODYS = "a workspace in which nothing is"


@dataclass(slots=True)
class Call:
    """A request while it is handled. Handlers add what it cost and what the ledger is to say of it.

    `limit_headers` gives the headers that the limits show at a time; `after` is called when the answer is ready to leave.
    """

    simulation: Simulation
    request: Request
    provider: str
    endpoint: str
    id: str
    workspace: str = ""
    api_key: str = ""
    key_hash: str = ""
    model: str | None = None
    batch: BatchRecord | None = None
    items: list[PaidItem] = field(default_factory=list)
    limit_headers: Callable[[float], dict[str, str]] = lambda now: {}
    after: Callable[[], None] = lambda: None

    @property
    def now(self) -> float:
        return self.simulation.clock.now()

    async def body(self, most_bytes: int) -> bytes:
        """The body; raises ApiError 413 above `most_bytes`."""
        body = await self.request.body()
        if len(body) > most_bytes:
            message = f"Request exceeds the maximum size: {len(body)} bytes, at most {most_bytes} are allowed."
            raise ApiError(413, message)
        return body

    async def json(self, most_bytes: int) -> Any:
        """The body's JSON value; raises ApiError 400 where there is none."""
        try:
            return json.loads(await self.body(most_bytes))
        except ValueError as broken:
            raise ApiError(400, f"The request body is not valid JSON: {broken}") from broken

    def query(self, **kinds: type[int] | type[str]) -> dict[str, Any]:
        """The query's values by name; raises ApiError 400 for a name not in `kinds` or a value not of its kind."""
        values: dict[str, Any] = {}
        for name, value in self.request.query_params.items():
            if name not in kinds:
                raise ApiError(400, f"{name}: unknown query parameter", param=name)
            try:
                values[name] = kinds[name](value)
            except ValueError as broken:
                raise ApiError(400, f"{name}: {value!r} is not an integer", param=name) from broken
        return values

    def refuse(self, error: ApiError) -> Response:
        """The response that tells `error` in this API's shape."""
        if self.provider == "google":
            return JSONResponse(error.google_body(), error.google_status)
        if self.provider == "openrouter":
            body = error.openrouter_body()
        else:
            body = error.anthropic_body(self.id) if self.provider == "anthropic" else error.openai_body()
        headers = {}
        if error.retry_after_s is not None:
            headers["retry-after"] = f"{error.retry_after_s:g}"
        return JSONResponse(body, error.status, headers)


Handler = Callable[[Call], Awaitable[Response]]


def _api_key(call: Call) -> str:
    headers = call.request.headers
    if call.provider == "google":
        return headers.get("x-goog-api-key", "").strip()
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = ""
    if not key and call.provider == "anthropic":
        key = headers.get("x-api-key", "")
    return key.strip()


def _admit(call: Call) -> None:
    """Find out who asks.

    Raises ApiError 401 for no key or a bad one (403 and 400 at Google), 400 for another version of Anthropic's API.
    """
    key = _api_key(call)
    call.key_hash = key_hash(key)
    bad = key in call.simulation.settings.bad_keys
    if call.provider == "google" and (bad or not key):
        raise google_details.bad_key(key)
    if bad or not key:
        message = "invalid x-api-key" if call.provider == "anthropic" else "Incorrect API key provided."
        raise ApiError(401, message)
    call.api_key = key
    call.workspace = call.simulation.workspace(key)
    version = call.request.headers.get("anthropic-version")
    if call.provider == "anthropic" and version != ANTHROPIC_VERSION:
        message = f"anthropic-version: {version!r} is not a valid version; this server speaks {ANTHROPIC_VERSION}"
        raise ApiError(400, message)


async def _answered(call: Call, handler: Handler) -> Response:
    """The handler's response, or the error of what stands in its way."""
    faults = call.simulation.faults
    try:
        # The body is read before any delay: a request that has arrived in full is worked even if its client has gone meanwhile.
        await call.request.body()
        _admit(call)
        where = (call.provider, call.endpoint, call.endpoint, call.api_key)
        fault = faults.draw(("status", "not_found"), *where)
        if fault is not None:
            raise fault_error(fault, call.endpoint)
        if faults.draw(("sees_nothing",), *where) is not None:
            call.workspace = NOBODYS
        slow = faults.draw(("slow",), *where)
        if slow is not None:
            await call.simulation.clock.sleep(1.0 if slow.stall_s is None else slow.stall_s)
        return await handler(call)
    except ApiError as error:
        return call.refuse(error)
    except ClientDisconnect:
        return call.refuse(ApiError(400, "The connection was closed before the request had arrived."))


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


async def _stall(call: Call, stall_s: float | None) -> None:
    """Keep the answer back for `stall_s`, or until the client has gone."""
    waits = [asyncio.ensure_future(_disconnected(call.request))]
    if stall_s is not None:
        waits.append(asyncio.ensure_future(call.simulation.clock.sleep(stall_s)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def serve(simulation: Simulation, provider: str, endpoint: str, handler: Handler, request: Request) -> Response:
    """Handle one request: admit it, do the work, write the ledger, and only then be slow or hang."""
    call = Call(simulation, request, provider, endpoint, fresh_id("req_"))
    response = await _answered(call, handler)
    if response.status_code < 400:
        late = simulation.faults.draw(("status_after",), provider, endpoint, endpoint, call.api_key)
        if late is not None:
            response = call.refuse(fault_error(late, endpoint))
    limits = call.limit_headers(call.now)
    record = CallRecord(call.now, provider, endpoint, response.status_code, call.key_hash, call.model)
    simulation.ledger.write(call=record, batch=call.batch, items=call.items)
    if response.status_code < 400:
        hang = simulation.faults.draw(("hang",), provider, endpoint, endpoint, call.api_key)
        if hang is not None:
            await _stall(call, hang.stall_s)
        if call.items and endpoint in CALLS:
            took_s = latency_s(simulation.settings, len(call.items), call.items[0].prompt_sha256)
            if took_s:
                await _stall(call, took_s)
    call.after()
    if simulation.settings.headers_at_end:
        limits = call.limit_headers(call.now)
    if provider != "google":
        response.headers["request-id" if provider == "anthropic" else "x-request-id"] = call.id
    response.headers.update(limits)
    return response
