"""Clients of the gateway that cost little themselves: bytes made before, one connection each, kept open."""

import asyncio
import json
import statistics
import time
from dataclasses import dataclass

from bench.load import body

POST_BYTES = 10_240
_BODIES = 256


@dataclass(frozen=True, slots=True)
class Posts:
    """What a run of posts took; each was answered 202."""

    posts: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Posts a second."""
        return self.posts / self.seconds


def requests(callback_topic: str) -> list[bytes]:
    """Posts of POST_BYTES as CJ makes them, of many batches, so that all partitions get some."""
    made = []
    for number in range(_BODIES):
        content = json.dumps(body(number, 0, callback_topic, POST_BYTES), separators=(",", ":")).encode()
        head = (
            "POST /api/v1/comparison HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\nAccept: */*\r\n"
            f"User-Agent: bench\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        made.append(head.encode() + content)
    return made


async def at_once(port: int, made: list[bytes], clients: int, seconds: float) -> Posts:
    """So many clients, each of which posts again as soon as it has its answer."""
    taken: list[float] = []
    ends = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = number
        while time.perf_counter() < ends:
            taken.append(await _post(reader, writer, made[place % len(made)]))
            place += clients
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*map(client, range(clients)))
    return _posts(taken, time.perf_counter() - began)


async def at_a_rate(port: int, made: list[bytes], per_s: float, seconds: float) -> Posts:
    """Posts that come at their times, whether those before are answered or not; each counts from its own time."""
    taken: list[float] = []
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(due: float, request: bytes) -> None:
        connection = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        await _post(*connection, request)
        taken.append(time.perf_counter() - due)
        idle.append(connection)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as posts:
        for number in range(int(per_s * seconds)):
            due = began + number / per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            posts.create_task(post(due, made[number % len(made)]))
    for _, writer in idle:
        writer.close()
    return _posts(taken, time.perf_counter() - began)


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> float:
    began = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 202 "):
        raise RuntimeError(f"not 202: {head[:200]!r}")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return time.perf_counter() - began


def _posts(taken: list[float], seconds: float) -> Posts:
    cut = statistics.quantiles(taken, n=100)
    return Posts(len(taken), seconds, statistics.median(taken) * 1000, cut[98] * 1000)
