"""Notices a recovery of the tables that has come to a halt: the process ends, and its partitions go to a worker that lives.

This was seen after a worker had slept through its session: Faust waited for changelog records that it had dropped, and neither
ended nor gave its partitions up.
"""

from typing import Any

from streams import failstop
from streams.clock import Clock
from streams.kafka.app import RoundbatchApp

HALT_S = 60.0


class RecoveryWatch:
    """The timers call `unsettled` at each tick at which the tables are not settled, and `settled` at every other tick.

    It also measures how long a recovery takes.
    """

    def __init__(self, app: RoundbatchApp, clock: Clock) -> None:
        self._app, self._clock = app, clock
        self._progress: Any = None
        self._since_s = 0.0
        self._began_s: float | None = clock.running_s()  # the first one begins with the process

    def began(self) -> None:
        """A recovery has begun, for the views are dropped. Of several calls the first counts."""
        if self._began_s is None:
            self._began_s = self._clock.running_s()

    def ended(self) -> float | None:
        """All partitions have caught up; returns how many seconds the recovery took, None if none had begun."""
        began_s, self._began_s = self._began_s, None
        return None if began_s is None else self._clock.running_s() - began_s

    def settled(self) -> None:
        """The tables are settled: nothing has come to a halt."""
        self._progress = None

    def unsettled(self) -> None:
        """Stop the process when nothing has moved for HALT_S although partitions are assigned."""
        self.began()
        if self._app.should_stop:
            return
        now_s = self._clock.running_s()
        tables: Any = self._app.tables
        offsets = tuple(sorted(tables.recovery.active_offsets.items()))
        progress = (self._app.rebalancing_count, self._app.rebalancing, offsets)
        if progress != self._progress or not self._app.consumer.assignment():
            self._progress, self._since_s = progress, now_s
        elif now_s - self._since_s > HALT_S:
            failstop.stop("recovery", TimeoutError(f"tables have not recovered any further for {HALT_S:.0f} s"))
