"""timers: closes windows that are quiet or too old, reports passed deadlines, announces finished requests, pauses intake.

A task, not an agent: it writes no table and sends only to the work topic.
"""

import asyncio
from collections.abc import Callable

import structlog
from faust.types import TP

from agents.liveness.heartbeats import silent
from agents.liveness.recovery_watch import RecoveryWatch
from agents.partitions.views import Views
from agents.windows.closer import Closer
from domain.comparison import Member
from domain.cutting import Pending
from domain.reconciling import Overdue
from domain.reply import ErrorCode
from domain.strategies import STRATEGIES
from settings.settings import Settings
from streams import failstop
from streams.clock import Clock
from streams.kafka.app import RoundbatchApp
from streams.kafka.outbox import Outbox
from streams.wire import work
from tables.view import PartitionView

log = structlog.get_logger("timers")

TICK_S = 0.05
_ENDS_EVERY_S = 2.0
_DEADLINES_AT_ONCE = 500  # members in one DeadlinePassed record: about 60 KB
_DONE_AT_ONCE = 2_000
_RESUME_AT = 0.8  # of max_pending_bytes: below it intake goes on, so that it does not flap


class Timers:
    """The ticking task."""

    def __init__(
        self,
        app: RoundbatchApp,
        settings: Settings,
        views: Views,
        closer: Closer,
        outbox: Outbox,
        clock: Clock,
        on_caught_up: Callable[[PartitionView], None],
        why_waiting: Callable[[PartitionView, Member], tuple[ErrorCode, str] | None] = lambda view, member: None,
    ) -> None:
        self._app, self._settings, self._views = app, settings, views
        self._closer, self._outbox, self._clock = closer, outbox, clock
        self._on_caught_up, self._why_waiting = on_caught_up, why_waiting
        self.heartbeat = silent()
        self.recovery = RecoveryWatch(app, clock.running_s())
        self._next_done_s = 0.0
        self._next_ends_s = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.heartbeat.beat()
            with failstop.guard("timers"):
                await self._tick()
            await asyncio.sleep(TICK_S)

    async def _tick(self) -> None:
        if self._app.rebalancing or self._app.should_stop:
            # Faust waits for every record taken before it gives partitions away: those that wait for collect, which gets
            # no more records now, would hold it up for ever. Unacknowledged, they are read again.
            self._views.drop()
        if self._app.should_stop:
            return
        if self._app.rebalancing or not self._views.settled:
            self.recovery.unsettled(self._clock.running_s())
            return
        self.recovery.settled()
        await asyncio.gather(*(self._views.get(partition) for partition in self._views.assigned()))
        if self._clock.running_s() >= self._next_ends_s:
            self._next_ends_s = self._clock.running_s() + _ENDS_EVERY_S
            await self._views.look_at_ends()
            self._views.look_at_transactions()
        announce = self._clock.running_s() >= self._next_done_s
        if announce:
            self._next_done_s = self._clock.running_s() + self._settings.testing.done_flush_s
        for view in self._views:
            self._views.mend_stall(view)
            if view.check_caught_up(self._clock.now_ms()):
                log.info("caught_up", partition=view.partition)
                self._on_caught_up(view)
            self._closer.close_due(view)
            if view.caught_up:
                self._report_deadlines(view)
            if announce:
                self._announce_done(view)
        self._bound_pending()
        self._forget()

    def _forget(self) -> None:
        before_ms = self._clock.now_ms() - int(self._settings.dedup_retention_s * 1000)
        for view in self._views:
            view.state.forget(before_ms)

    def _report_deadlines(self, view: PartitionView) -> None:
        passed = view.state.passed_deadlines(self._clock.now_ms(), _DEADLINES_AT_ONCE)
        late = [pending for pending in passed if pending.member not in view.overdue]
        if not late:
            return
        view.overdue.update(pending.member for pending in late)
        record = work.DeadlinePassed(overdue=tuple(self._overdue(view, pending) for pending in late))
        self._outbox.send(self._settings.work_topic, work.encode(record), partition=view.partition)
        rounds = list(dict.fromkeys(pending.round_key for pending in late))
        log.warning("deadlines_passed", partition=view.partition, comparisons=len(late), rounds=rounds)

    def _overdue(self, view: PartitionView, pending: Pending) -> Overdue:
        job = view.state.jobs.get(view.state.owner.get(pending.member, ""))
        mode = job.plan.mode if job is not None else STRATEGIES[pending.resolved.strategy].mode
        code, message = self._why_waiting(view, pending.member) or (ErrorCode.TIMEOUT, "")
        of = pending.resolved
        return Overdue(pending.member, of.provider, of.model, mode, of.deadline_ms, code, message)

    def _announce_done(self, view: PartitionView) -> None:
        done = view.announceable()
        for start in range(0, len(done), _DONE_AT_ONCE):
            record = work.RequestsDone(offsets=done[start : start + _DONE_AT_ONCE])
            self._outbox.send(self._settings.work_topic, work.encode(record), partition=view.partition)

    def _bound_pending(self) -> None:
        views = list(self._views)
        pending = sum(view.state.pending_bytes for view in views)
        limit = self._settings.max_pending_bytes
        for view in views:
            tp = TP(self._settings.request_topic, view.partition)
            # While reconcile waits for collect nothing is paused: the record it waits for must come.
            if pending > limit and not view.inbound_paused and not view.deferred:
                self._app.consumer.pause_partitions({tp})
                view.inbound_paused = True
                log.warning("intake_paused", partition=view.partition, pending_bytes=pending, limit=limit)
            elif view.inbound_paused and (pending < limit * _RESUME_AT or view.deferred):
                self._app.consumer.resume_partitions({tp})
                view.inbound_paused = False
                log.info("intake_resumed", partition=view.partition, pending_bytes=pending)
