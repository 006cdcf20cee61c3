"""Coroutines that are run immediately, as far as they go without waiting (Python 3.12 has such tasks; we run on 3.11 too)."""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

R = TypeVar("R")


def begun(work: "Coroutine[Any, Any, R]") -> "asyncio.Future[R]":
    """Begin a coroutine immediately. Returns a done future where it never had to wait, otherwise a task for the rest."""
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        done.set_result(end.value)
        return done
    return asyncio.ensure_future(_rest(work, waits_for))


async def _rest(work: "Coroutine[Any, Any, R]", waits_for: object) -> R:
    result: R = await _steps(work, waits_for)
    return result


@types.coroutine
def _steps(work: "Coroutine[Any, Any, R]", waits_for: object) -> "Generator[Any, Any, R]":
    """Give the event loop what the coroutine waits for, as a task would get it from the coroutine itself."""
    while True:
        raised: BaseException | None = None
        sent: Any = None
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 - a cancellation, or what was waited for failed: the coroutine gets it
            raised = error
        try:
            waits_for = work.send(sent) if raised is None else work.throw(raised)
        except StopIteration as end:
            result: R = end.value
            return result
