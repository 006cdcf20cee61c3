"""A start: the step that it stands at, the time that it may take, and a SIGTERM that ends it at any of its steps."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger("starting")


class StartTooLong(Exception):
    """A step of the start did not come to its end; the message is one line that names it."""


def _nothing_moves() -> None:
    return None


class Starting:
    """One start. It may be ended in the middle, as a worker may at any moment: what is not acknowledged is read again."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.step: str | None = None  # what is being done; None before and after
        self._progress: Callable[[], object] = _nothing_moves

    def at(self, step: str, progress: Callable[[], object] = _nothing_moves) -> None:
        """Note and log the step that begins now. Whenever what `progress` returns changes, its time limit begins anew."""
        self.step, self._progress = step, progress
        log.info("starting", step=step)

    async def run(self, start: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
        """Whether the start came to its end; False as soon as it was asked to stop.

        Raises what the start raises, or StartTooLong. A start that is given up is not waited for, because Faust's need not heed
        a cancellation: the process is to end then. Restoring the tables may take any time, as long as it goes on: a limit would
        make a worker without its state directory begin again for ever.
        """
        starting = asyncio.create_task(start, name="start")
        asked = asyncio.create_task(stop.wait(), name="stop asked for")
        before, limit_s = self._progress(), self._limit_s or None
        while not (await asyncio.wait({starting, asked}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED))[0]:
            if (now := self._progress()) == before:
                break
            before = now
        if starting.done():
            asked.cancel()
            starting.result()
            self.step = None
            return True
        if asked.done():
            log.info("start_given_up", step=self.step)
            return False
        raise StartTooLong(
            f"the start took more than ROUNDBATCH_START_TIMEOUT_S={self._limit_s:g} seconds; it stood at this step: {self.step}"
        )
