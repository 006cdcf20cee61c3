"""An event loop whose clock moves only while nothing happens: minutes of real HTTP over loopback in a second or two.

Client and server must both run in this loop: what another process computes is taken for idleness.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

# Bytes that were sent within this process are there at once, but for the rare case that the kernel delivers them a bit later:
# then the clock moves on before. By seconds it may, which is a slow network; but where nothing else is waited for it would move
# on to the timeout of the very call whose bytes are on their way. So before it moves far, nothing has happened for longer.
_DELIVERED_S, _SURELY_DELIVERED_S = 0.0002, 0.05
_FAR_S = 5.0


class _Selector(selectors.DefaultSelector):
    """Waits for what happens to sockets; where nothing does, the wait is over at once, and the clock shows that it was long."""

    now_s = 0.0
    threads = 0  # that work for the loop: time stands still until they are done

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        silence_s = min(timeout, _DELIVERED_S) if timeout < _FAR_S else _SURELY_DELIVERED_S
        ready = super().select(None if self.threads else silence_s)
        if not ready:
            self.now_s += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For `asyncio.Runner(loop_factory=VirtualTimeLoop)`; its clock begins at 0."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds since the loop was made, of those in which nothing happened."""
        return self._clock.now_s

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Let a thread do it, and no time pass meanwhile."""
        future = super().run_in_executor(executor, func, *args)
        self._clock.threads += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._clock.threads -= 1
