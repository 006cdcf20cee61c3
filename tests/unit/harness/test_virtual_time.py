"""The clock of the loop that plays HTTP in virtual time."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.harness import virtual_time
from tests.harness.virtual_time import VirtualTimeLoop
from tests.waiting import LIMIT_S


def run(play: Callable[[], Awaitable[None]]) -> None:
    async def played() -> None:
        await play()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(played())


def test_what_waits_is_woken_in_its_order_and_nobody_waits_for_it() -> None:
    woken: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, asyncio.get_running_loop().time()))

    async def play() -> None:
        await asyncio.gather(wait("a day", 86_400.0), wait("an hour", 3_600.0))

    started_s = time.monotonic()
    run(play)
    assert woken == [("an hour", 3_600.0), ("a day", 86_400.0)]
    assert time.monotonic() - started_s < 3_600.0


def test_bytes_that_come_a_bit_late_come_before_a_far_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_time, "_SURELY_DELIVERED_S", LIMIT_S)  # a busy machine may wake the thread late
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    late = threading.Timer(0.01, theirs.send, [b"late"])

    async def play() -> None:
        late.start()
        async with asyncio.timeout(600.0):
            assert await asyncio.get_running_loop().sock_recv(ours, 10) == b"late"

    with ours, theirs:
        run(play)


def test_no_time_passes_while_a_thread_works() -> None:
    at_work = threading.Event()
    woken: list[str] = []

    async def wait() -> None:
        await asyncio.sleep(10.0)
        woken.append("waiting")

    async def play() -> None:
        waiting = asyncio.create_task(wait())
        await asyncio.to_thread(at_work.wait, 0.05)
        woken.append("thread")
        await waiting

    run(play)
    assert woken == ["thread", "waiting"]
    assert not at_work.is_set()
