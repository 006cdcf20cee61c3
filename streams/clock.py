"""The process's clocks: wall time for deadlines, and one that runs on while the machine sleeps for claims."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the worker gets the time from; tests pass a clock of their own."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def running_s(self) -> float:
        """Seconds on a clock that never goes back and does not stop while the machine sleeps."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def running_s(self) -> float:
        """CLOCK_BOOTTIME where there is one: CLOCK_MONOTONIC stands still in suspend, and a claim would outlive its time."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
