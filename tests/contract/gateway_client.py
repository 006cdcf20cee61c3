"""A gateway over real sockets in a test's own loop, its client, and records that are acknowledged when a test says so."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.metrics import Metrics
from gateway.records import Records
from gateway.server import Gateway
from settings.gateway import GatewaySettings
from settings.settings import Settings
from tests.harness import door_cases
from tests.waiting import LIMIT_S, until


class MemoryRecords:
    """What the door needs of gateway.records.Records."""

    def __init__(self) -> None:
        self.kafka_is_there = asyncio.Event()
        self.asked: list[bytes] = []
        self.sent: list[bytes] = []
        self.fails_with: Exception | None = None

    async def acknowledged(self, key: bytes, value: bytes) -> None:
        self.asked.append(key)
        if self.fails_with is not None:
            raise self.fails_with
        await self.kafka_is_there.wait()
        self.sent.append(value)

    async def answers(self, limit_s: float) -> bool:
        return self.kafka_is_there.is_set()


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        """Its JSON, which must be an object."""
        assert self.headers["content-type"] == "application/json"
        told = json.loads(self.body)
        assert isinstance(told, dict)
        return told


@dataclass
class Client:
    """One connection, and what is written to it byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> Response:
        async with asyncio.timeout(LIMIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = [line.split(": ", 1) for line in head[1:] if line]
            headers = {name.lower(): value for name, value in pairs}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Response(int(head[0].split()[1]), headers, body)

    async def post(self, body: bytes, *more: str) -> Response:
        self.write(request(body, *more))
        return await self.answer()

    async def closed(self) -> bytes:
        """Wait until the other side has closed; gives what it still sent."""
        async with asyncio.timeout(LIMIT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def leave(self) -> None:
        self.writer.close()
        with suppress(ConnectionResetError, BrokenPipeError):
            await self.writer.wait_closed()


def head(length: int | None, *more: str) -> bytes:
    lines = ["POST /api/v1/comparison HTTP/1.1", "Host: gateway", "Content-Type: application/json", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def request(body: bytes, *more: str) -> bytes:
    return head(len(body), *more) + body


@dataclass
class Running:
    gateway: Gateway
    records: MemoryRecords
    metrics: Metrics
    port: int
    serving: "asyncio.Task[None]"
    clients: list[Client] = field(default_factory=list)

    async def client(self) -> Client:
        made = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(made)
        return made

    async def ask(self, path: str) -> Response:
        client = await self.client()
        client.write(f"GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
        return await client.answer()

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"roundbatch_gateway_{name}", labels) or 0.0


async def happens(what: Callable[[], object]) -> None:
    await asyncio.to_thread(until, what, "what the test waits for", every_s=0.005)


@asynccontextmanager
async def running(shutdown_timeout_s: float = 30.0, **limits: Any) -> AsyncIterator[Running]:
    settings = Settings(
        allowed_callback_topics=door_cases.ALLOWED,
        shutdown_timeout_s=shutdown_timeout_s,
        gateway=GatewaySettings(port=0, **limits),
    )
    records, metrics = MemoryRecords(), Metrics()
    gateway = Gateway(settings, cast(Records, records), metrics)
    with gateway.listening() as listener:
        serving = asyncio.create_task(gateway.serve(listener))
        started = Running(gateway, records, metrics, listener.getsockname()[1], serving)
        try:
            yield started
        finally:
            records.kafka_is_there.set()
            for client in started.clients:
                await client.leave()
            gateway.stop()
            await serving
