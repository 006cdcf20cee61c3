"""Virtual time: it leaps from one event to the next."""

import heapq
from collections.abc import Callable


class Events:
    """A clock that leaps from event to event. Seconds since 1970; events of one moment happen in the order of their asking."""

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s
        self._passed_s = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def now(self) -> float:
        """The time, as simulator.clock.Clock tells it."""
        return self._start_s + self._passed_s

    @property
    def now_ms(self) -> int:
        """The same in milliseconds, as the worker's decisions take it."""
        return int(self.now() * 1000)

    @property
    def monotonic_s(self) -> float:
        """Seconds since the start, as the limiter takes them.

        A float of seconds since 1970 has steps of 0.2 us, too long for a bucket that is waited for to its last token: a
        hundred looks for each call were seen.
        """
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        """Not in virtual time: nothing waits here."""
        raise RuntimeError("nobody sleeps in virtual time; ask for an event")

    def advance(self, seconds: float) -> None:
        """Not in virtual time: events alone move it."""
        raise RuntimeError("virtual time is moved by its events alone")

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen later."""
        self._count += 1
        heapq.heappush(self._heap, (self._passed_s + max(0.0, seconds), self._count, action))

    def run(self, until: Callable[[], bool]) -> None:
        """Let events happen until `until` is true. Raises RuntimeError when no event is left before that."""
        while not until():
            if not self._heap:
                raise RuntimeError("nothing is left to happen, and the workload is not answered")
            self._passed_s, _, action = heapq.heappop(self._heap)
            action()
