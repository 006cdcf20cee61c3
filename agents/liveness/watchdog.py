"""Notices a loop that hangs, and ends the process: its partitions go to a worker that lives, and what is open is read again.

It is a thread, for nothing inside an event loop that stands still can notice that it does. Without the watchdog such a worker
would keep its partitions for good: Kafka's heartbeats come from a thread of Faust's own.
"""

import asyncio
import faulthandler
import sys
import threading
from collections.abc import Callable

import structlog

from agents.liveness.heartbeats import Heartbeats
from streams import failstop

log = structlog.get_logger("watchdog")

EVENT_LOOP = "event_loop"
LOOK_S = 1.0
# More than this between two looks of the thread: the whole process was asleep (SIGSTOP, suspend), and no loop is to blame.
_ASLEEP_S = 5.0


class Hung(Exception):
    """A loop gave no sign of life; the message says for how long, and how long it may be silent."""


class Watchdog:
    """Looks every second. A silence counts from the last time that the process woke up, at the earliest."""

    def __init__(
        self, heartbeats: Heartbeats, limit_s: float, stop: Callable[[str, BaseException], object] = failstop.stop
    ) -> None:
        self._heartbeats, self._limit_s, self._stop = heartbeats, limit_s, stop
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked_s: float | None = None
        self._awake_s = 0.0

    async def run(self) -> None:
        """Beat for the event loop and ask what has no turns, until cancelled."""
        heartbeat = self._heartbeats.of(EVENT_LOOP)
        while True:
            heartbeat.beat()
            self._heartbeats.look()
            await asyncio.sleep(LOOK_S)

    def start(self, now_s: Callable[[], float]) -> None:
        """Begin to watch in a thread."""

        def watch() -> None:
            while not self._ended.wait(LOOK_S):
                self.look(now_s())

        self._thread = threading.Thread(target=watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()

    def look(self, now_s: float) -> None:
        """Stop the process if a loop has been silent for too long."""
        if self._looked_s is None or now_s - self._looked_s > _ASLEEP_S:
            self._awake_s = now_s
        self._looked_s = now_s
        for name, heartbeat in self._heartbeats:
            silent_s, limit_s = heartbeat.silent_s, self._limit_s * heartbeat.patience
            if min(silent_s, now_s - self._awake_s) > limit_s:
                log.critical("loop_hung", loop=name, silent_s=round(silent_s), limit_s=limit_s)
                # Where every thread stands: the one clue there will be.
                faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
                self._stop(f"watchdog: {name}", Hung(f"no sign of life for {silent_s:.0f} s, at most {limit_s:g}"))
                return
