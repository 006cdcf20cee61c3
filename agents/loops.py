"""The two agents' loops: each record to its handler, its effects to the ack queue (steps 1, 4 and 5 of streams.kafka.consumer).

What must not end in a skipped record is in here: no exception leaves a loop, nothing is acked out of order, and a work record
that waits for collect holds up its own partition only.
"""

from collections.abc import AsyncIterator
from typing import Any

import structlog
from faust.types import EventT, Message, StreamT

from agents.jobs.dispatcher import Dispatcher
from agents.liveness.heartbeats import silent
from agents.partitions.views import Views
from agents.records.collect import Collect
from agents.records.reconcile import MustWait, Reconcile
from agents.windows.closer import Closer
from streams import crashpoints, failstop
from streams.kafka.app import RoundbatchApp
from streams.kafka.consumer import AckQueue, append_time_ms
from streams.kafka.outbox import Outbox
from tables.view import PartitionView, ReadProgress

log = structlog.get_logger("intake")


def events(stream: StreamT[bytes]) -> AsyncIterator[EventT[bytes]]:
    """The events of a stream, none acked by Faust (`noack` is missing from the interface StreamT)."""
    unacked: Any = stream
    found: AsyncIterator[EventT[bytes]] = unacked.noack().events()
    return found


class AgentLoops:
    """Feeds collect and reconcile."""

    def __init__(
        self,
        app: RoundbatchApp,
        views: Views,
        collect: Collect,
        reconcile: Reconcile,
        closer: Closer,
        dispatcher: Dispatcher,
        outbox: Outbox,
    ) -> None:
        self._app, self._views, self._outbox = app, views, outbox
        self._collect, self._reconcile = collect, reconcile
        self._closer, self._dispatcher = closer, dispatcher
        self._lines: dict[int, tuple[AckQueue, AckQueue]] = {}
        self.collecting, self.reconciling = silent(), silent()  # heartbeats
        self.stopping = False

    def open_lines(self, view: PartitionView) -> None:
        """Begin new ack queues for a partition that has just been assigned."""
        self._lines[view.partition] = (
            AckQueue(self._acknowledge, lambda offset: self._inbound_acked(view, offset)),
            AckQueue(self._acknowledge, lambda offset: self._work_acked(view, offset)),
        )

    async def collect(self, stream: StreamT[bytes]) -> None:
        """The agent of the inbound topic."""
        async for event in events(stream):
            with failstop.guard("collect", failstop.place_of(event.message)):
                await self._outbox.room()  # not in the turn: Kafka may be gone for an hour, and no loop is to blame
                with self.collecting.turn():
                    await self._collect_one(event)

    async def _collect_one(self, event: EventT[bytes]) -> None:
        view = await self._view(event)
        if view is None or not self._is_next(view, event.message, view.inbound, view.inbound.next):
            return
        effects = self._collect.handle(view, event.message)
        self._lines[view.partition][0].add(event.message, effects)
        self._resume(view)

    async def reconcile(self, stream: StreamT[bytes]) -> None:
        """The agent of the work topic."""
        async for event in events(stream):
            with failstop.guard("reconcile", failstop.place_of(event.message)):
                await self._outbox.room()
                with self.reconciling.turn():
                    await self._reconcile_one(event)

    async def _reconcile_one(self, event: EventT[bytes]) -> None:
        view = await self._view(event)
        waiting = view.deferred[-1].offset + 1 if view is not None and view.deferred else 0
        if view is None or not self._is_next(view, event.message, view.work, max(view.work.next, waiting)):
            return
        view.deferred.append(event.message)
        self._resume(view)

    async def _view(self, event: EventT[bytes]) -> PartitionView | None:
        """The view for an event; None, with the event let go of, when its partition is going or the worker stops."""
        await self._views.recovered()
        message = event.message
        view = None if self.stopping else await self._views.get(message.partition)
        # Taken before a rebalance and looked at after it, a record would be handled out of turn.
        stale = message.generation_id != self._app.consumer_generation_id
        if view is None or view.dead or stale or self.stopping:
            log.debug("record_let_go", topic=message.topic, partition=message.partition, offset=message.offset)
            self._consumer.abandon(message)
            return None
        return view

    def _is_next(self, view: PartitionView, message: Message, reading: ReadProgress, expected: int) -> bool:
        """Whether a record is the next to be handled. One that came before is let go of, and so is one that came too early."""
        offset = message.offset
        if offset < expected and reading.witness is not None and append_time_ms(message) > reading.witness[1]:
            self._views.same_log.suspect(view)  # younger than what came after it: of a topic made again, read on from its start
        if offset == expected or (
            offset > expected and self._views.missing_records.is_real(view, message.topic, expected, offset)
        ):
            return True
        self._consumer.abandon(message)
        return False

    def _resume(self, view: PartitionView) -> None:
        """Handle the work records of a partition in order, until one has to wait for collect."""
        while view.deferred and not view.dead:
            message: Message = view.deferred[0]
            # Not the record in the loop: it may have waited for that one.
            with failstop.guard("reconcile", failstop.place_of(message)):
                try:
                    effects = self._reconcile.handle(view, message)
                except MustWait:
                    return
            view.deferred.popleft()
            self._lines[view.partition][1].add(message, effects)

    def _inbound_acked(self, view: PartitionView, offset: int) -> None:
        view.inbound.acked = offset + 1
        keys = view.arrived.pop(offset, ())
        self._closer.close(view, keys)

    def _work_acked(self, view: PartitionView, offset: int) -> None:
        crashpoints.point("after_work_acked", view.partition)
        view.work.acked = offset + 1
        for job_id in view.touched.pop(offset, ()):
            self._dispatcher.consider(view.partition, job_id)

    def _acknowledge(self, message: Message) -> None:
        self._consumer.acknowledge(message)

    @property
    def _consumer(self) -> Any:
        return self._app.consumer

    def stop(self) -> None:
        """Take nothing more in; records that come are let go of, unacknowledged."""
        self.stopping = True
