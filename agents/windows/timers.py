"""timers: what is done as time passes, and not because a record came: windows close, deadlines pass, requests are finished.

A task, not an agent: it writes no table and sends only to the work topic.
"""

import asyncio
from dataclasses import dataclass

from agents.liveness.heartbeats import Heartbeat
from agents.liveness.recovery_watch import RecoveryWatch
from agents.partitions.views import Views
from agents.windows.backlog import Backlog
from agents.windows.closer import Closer
from agents.windows.deadlines import Deadlines
from agents.windows.finished_requests import FinishedRequests
from agents.windows.judges import Judges
from domain.auditing import DAY_MS
from settings.settings import Settings
from streams import failstop
from streams.clock import Clock

TICK_S = 0.05
_ENDS_EVERY_S = 2.0
# A look goes through all open windows, and a burst of single calls has thousands. After it comes a rest of so many times what
# it took, of a second at most: looks then take a twentieth of the time, and without a burst there is one at each tick.
_REST_OF_LOOK, _MOST_REST_S = 19, 1.0


@dataclass(frozen=True, slots=True)
class Duties:
    """What is done at a tick, most of it for each partition."""

    closer: Closer
    deadlines: Deadlines
    finished: FinishedRequests
    backlog: Backlog
    judges: Judges


class Timers:
    """The ticking task."""

    def __init__(self, settings: Settings, views: Views, duties: Duties, recovery: RecoveryWatch, clock: Clock) -> None:
        self._remember_ms = int(settings.dedup_retention_s * 1000)
        self._audit_days = settings.audit.keep_days
        self._views, self._duties, self._recovery, self._clock = views, duties, recovery, clock
        self._next_ends_s = self._next_look_s = 0.0

    async def run(self, heartbeat: Heartbeat) -> None:
        """Tick until cancelled."""
        while True:
            heartbeat.beat()
            with failstop.guard("timers"):
                await self.tick()
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Do once what is due."""
        views, duties = self._views, self._duties
        if views.rebalancing:
            # Before Faust gives partitions away it waits for every record that was taken. Work records that wait for
            # collect would hold it up for ever, for collect gets no more records now. Dropped here, they are read again.
            views.drop()
        if not views.settled:
            self._recovery.unsettled()
            return
        self._recovery.settled()
        await asyncio.gather(*(views.get(partition) for partition in views.assigned()))
        now_s = self._clock.running_s()
        if now_s >= self._next_ends_s:
            self._next_ends_s = now_s + _ENDS_EVERY_S
            await views.look_at_ends()
            views.look_at_transactions()
        now_ms = self._clock.now_ms()  # after the look, which may have waited for Kafka: windows count their age from it
        announce = duties.finished.due()
        for view in views:
            views.mend_stall(view)
            views.note_caught_up(view, now_ms)
        self._close_due()
        for view in views:
            duties.deadlines.report(view)
            if announce:
                duties.finished.announce(view)
            view.state.payments.forget(now_ms - self._remember_ms)
            view.state.audits.forget(now_ms // DAY_MS - self._audit_days)
        duties.backlog.bound(views)
        await duties.judges.look(list(views))

    def _close_due(self) -> None:
        """Close the windows that are due, unless the last look took long and was not long ago."""
        began_s = self._clock.running_s()
        if began_s < self._next_look_s:
            return
        for view in self._views:
            self._duties.closer.close_due(view)
        now_s = self._clock.running_s()
        self._next_look_s = now_s + min(_MOST_REST_S, (now_s - began_s) * _REST_OF_LOOK)
