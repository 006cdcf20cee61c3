"""The time as the simulator sees it: real time that a test may move, or a value that only a test moves."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the simulator asks about time."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` have passed on this clock."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the clock forward, so that 24 hours need not be waited for."""
        ...


class RealClock:
    """Real time plus what `advance` has added. A sleep takes real time: it imitates latency."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self._ahead_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        self._ahead_s += seconds


class ManualClock:
    """A clock that moves only by `advance` and by sleeps, which return at once."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds

    def advance(self, seconds: float) -> None:
        self._now += seconds
