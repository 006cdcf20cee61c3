"""Coroutines that are begun at once."""

import asyncio

import pytest

from streams.kafka.eager import begun


async def test_one_that_never_waits_is_done_at_once() -> None:
    async def work() -> int:
        return 7

    future = begun(work())
    assert future.done()
    assert await future == 7


async def test_one_that_waits_goes_on_when_it_can() -> None:
    gate, steps = asyncio.Event(), []

    async def work() -> str:
        steps.append("begun")
        await gate.wait()
        steps.append("gone on")
        await asyncio.sleep(0)
        queue: asyncio.Queue[int] = asyncio.Queue()
        asyncio.get_running_loop().call_soon(queue.put_nowait, 3)
        return f"done {await queue.get()}"

    future = begun(work())
    assert steps == ["begun"]
    assert not future.done()
    gate.set()
    assert await future == "done 3"
    assert steps == ["begun", "gone on"]


async def test_failures_are_its_own() -> None:
    async def at_once() -> None:
        raise LookupError("at once")

    async def later() -> None:
        await asyncio.sleep(0)
        raise LookupError("later")

    with pytest.raises(LookupError, match="at once"):
        begun(at_once())
    with pytest.raises(LookupError, match="later"):
        await begun(later())


async def test_a_failure_of_what_it_waits_for_reaches_it() -> None:
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        try:
            await broken
        except LookupError as error:
            return f"caught {error}"
        return "not caught"

    future = begun(work())
    broken.set_exception(LookupError("it"))
    assert await future == "caught it"


async def test_it_can_be_cancelled_while_it_waits() -> None:
    seen = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    future = begun(work())
    await asyncio.sleep(0)
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert seen == ["cancelled"]
