"""One connection of a client: uvicorn's, with limits where uvicorn has none: on how long it waits, and on what it keeps.

A client that sends nothing, or a byte now and then, is cut off, as is one with more than 64 KiB of headers. Errors that uvicorn
would answer in plain text are JSON objects. The times are checked once a second over all connections, so that no request needs
a timer of its own.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.metrics import Metrics
from settings.gateway import GatewaySettings

LOOK_S = 1.0
_HEAD_BYTES = 64 * 1024
# Most bytes that may come around a body: the frames of its chunks, trailers.
_FRAME_BYTES = 256 * 1024
MORE_CONNECTIONS = 1_000


class Connection(HttpToolsProtocol):
    """`limits` and `metrics` are set by `connection_class`, for uvicorn makes the objects."""

    limits: GatewaySettings
    metrics: Metrics

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._since_s: float | None = None  # since when a request has been coming; None: no request is
        self._in_head = True
        self._wire = self._body = 0  # bytes of that request so far, and those of its body
        self._working: RequestResponseCycle | None = None
        self._cut_for = ""
        self._closing = False

    # -- what uvicorn calls ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._since_s = self.loop.time()
        if len(self.connections) > self.limits.most_held + MORE_CONNECTIONS:
            self._cut(503, "too_many", "Too many connections")

    def data_received(self, data: bytes) -> None:
        if self._since_s is None:
            self._since_s = self.loop.time()
        self._wire += len(data)
        if not self._cut_for:
            super().data_received(data)
        if self._in_head and self._wire > _HEAD_BYTES:
            self._cut(431, "head", f"The headers have more than {_HEAD_BYTES:,} bytes")
        elif self._wire - self._body > _HEAD_BYTES + _FRAME_BYTES:
            self._cut(400, "frames", "The body comes in too small pieces, or has too much behind it")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._since_s = self.loop.time()
        super().on_headers_complete()
        if self._closing:
            self.cycle.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # those behind a body are read by nobody, and uvicorn would keep them
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._since_s = True, None
        self._wire = self._body = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._working = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self._since_s is not None:  # the next request has waited for this answer: its time begins now
            self._since_s = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        cycle = self._working
        if cycle is not None and not cycle.response_complete and not self._cut_for:
            self.metrics.gone.labels("body" if cycle.more_body else "answer").inc()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._cut(400, "malformed", msg)

    def shutdown(self) -> None:
        self._closing = True
        if self._working is not None and not self._working.response_complete:
            super().shutdown()  # closed after the answer
        elif self._wire == 0:
            self.transport.close()
        # Otherwise a request is coming: it is answered, or cut off when its time is over.

    # -- limits ----------------------------------------------------------------------------------------------------

    def look(self, now_s: float) -> None:
        """Cut the client off if what it sends takes too long."""
        if self._since_s is None or self._busy():
            return
        if self._in_head and now_s - self._since_s > self.limits.head_timeout_s:
            self._cut(408, "head", "The headers have not come in time")
        elif not self._in_head and now_s - self._since_s > self.limits.body_timeout_s:
            self._cut(408, "body", "The body has not come in time")

    def _busy(self) -> bool:
        """Whether a request that has come whole is not answered yet."""
        return self._working is not None and not self._working.more_body and not self._working.response_complete

    def _cut(self, status: int, during: str, said: str) -> None:
        """Answer the request that was coming, and close. One before it that is still worked on is done, but gets no answer."""
        if self._cut_for or self.transport.is_closing():
            return
        self._cut_for = during
        self.metrics.cut.labels(during).inc()
        if not self._busy() and (self._wire or status == 503):
            answer = json.dumps({"error": said}).encode()
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(answer)
            self.transport.write(STATUS_LINE[status] + head + answer)
        self.transport.close()


def connection_class(limits: GatewaySettings, metrics: Metrics) -> type[Connection]:
    """The class that uvicorn is to make connections of."""
    return type("LimitedConnection", (Connection,), {"limits": limits, "metrics": metrics})


async def watch(state: ServerState) -> None:
    """Look at all connections, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_S)
        now_s = loop.time()
        for connection in list(state.connections):
            if isinstance(connection, Connection):
                connection.look(now_s)
