"""The two agents' loops: each record to its handler, its effects to the ack queue (steps 1, 4 and 5 of streams.kafka.consumer).

This module sees to it that no record is skipped: no exception leaves a loop, and nothing is acked out of order. A work record
that waits for collect holds up its own partition only.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog
from faust.types import EventT, Message, StreamT

from agents.jobs.due import DueJobs
from agents.liveness.heartbeats import Heartbeat
from agents.partitions.views import Views
from agents.records.collect import Collect
from agents.records.reconcile import MustWait, Reconcile
from agents.windows.closer import Closer
from streams import crashpoints, failstop
from streams.kafka.app import RoundbatchApp
from streams.kafka.consumer import AckQueue, append_time_ms
from streams.kafka.outbox import Outbox
from tables.view import PartitionView, ReadProgress

log = structlog.get_logger("loops")


def events(stream: StreamT[bytes]) -> AsyncIterator[EventT[bytes]]:
    """The events of a stream, none acked by Faust (`noack` is missing from the interface StreamT)."""
    unacked: Any = stream
    found: AsyncIterator[EventT[bytes]] = unacked.noack().events()
    return found


class Delivered:
    """What both loops ask before they handle a record: is there room to send, whose view is it, and is it the next one?"""

    def __init__(self, app: RoundbatchApp, views: Views, outbox: Outbox, stop: asyncio.Event) -> None:
        self._app, self._views, self._outbox, self._stop = app, views, outbox, stop

    async def room(self) -> None:
        """Wait until more may be sent. Called outside a loop's turn: Kafka may be gone for an hour, and no loop is to blame."""
        await self._outbox.room()

    async def view(self, event: EventT[bytes]) -> PartitionView | None:
        """The view for an event; None, with the event let go of, when its partition is going or the worker stops."""
        await self._views.recovered()
        message = event.message
        view = None if self._stop.is_set() else await self._views.get(message.partition)
        # A record that was taken before a rebalance and is looked at after it would be handled out of turn.
        stale = message.generation_id != self._app.consumer_generation_id
        if view is None or view.dead or stale or self._stop.is_set():
            log.debug("record_let_go", topic=message.topic, partition=message.partition, offset=message.offset)
            self._consumer.let_go(message)
            return None
        return view

    def is_next(self, view: PartitionView, message: Message, progress: ReadProgress, expected: int) -> bool:
        """Whether a record is the next to be handled. One that came before is let go of, and so is one that came too early."""
        offset = message.offset
        if offset < expected and progress.witness is not None and append_time_ms(message) > progress.witness[1]:
            self._views.same_log.suspect(view)  # appended later than a record behind it: the topic was made again
        if offset == expected:
            return True
        if offset > expected and self._views.missing_records.is_real(view, message.topic, expected, offset):
            return True
        self._consumer.let_go(message)
        return False

    def acknowledge(self, message: Message) -> None:
        """Acknowledge a record: all of its effects are acknowledged."""
        self._consumer.acknowledge(message)

    @property
    def _consumer(self) -> Any:
        return self._app.consumer


class ReconcileLoop:
    """The agent of the work topic."""

    def __init__(self, delivered: Delivered, reconcile: Reconcile, due: DueJobs, heartbeat: Heartbeat) -> None:
        self._delivered, self._reconcile, self._due, self._heartbeat = delivered, reconcile, due, heartbeat
        self._acks: dict[int, AckQueue] = {}

    def built(self, view: PartitionView) -> None:
        """Begin a new ack queue for a partition that has just been assigned."""
        self._acks[view.partition] = AckQueue(self._delivered.acknowledge, lambda offset: self._acked(view, offset))

    async def run(self, stream: StreamT[bytes]) -> None:
        """Handle what comes, for ever."""
        async for event in events(stream):
            with failstop.guard("reconcile", event.message):
                await self._delivered.room()
                with self._heartbeat.turn():
                    await self._take(event)

    async def _take(self, event: EventT[bytes]) -> None:
        view = await self._delivered.view(event)
        waiting = view.waits_for_collect[-1].offset + 1 if view is not None and view.waits_for_collect else 0
        if view is None or not self._delivered.is_next(view, event.message, view.work, max(view.work.next, waiting)):
            return
        view.waits_for_collect.append(event.message)
        self.resume(view)

    def resume(self, view: PartitionView) -> None:
        """Handle the work records of a partition in order, until one has to wait for collect."""
        while view.waits_for_collect and not view.dead:
            message: Message = view.waits_for_collect[0]
            # A failure names this record, which may have waited, and not the one that the loop is at now.
            with failstop.guard("reconcile", message):
                try:
                    effects = self._reconcile.handle(view, message)
                except MustWait:
                    return
            view.waits_for_collect.popleft()
            self._acks[view.partition].add(message, effects)

    def _acked(self, view: PartitionView, offset: int) -> None:
        crashpoints.point("after_work_acked", view.partition)
        view.work.acked = offset + 1
        for job_id in view.once_acked.jobs_of(offset):
            self._due.consider(view.partition, job_id)


class CollectLoop:
    """The agent of the request topic."""

    def __init__(
        self, delivered: Delivered, collect: Collect, closer: Closer, reconciling: ReconcileLoop, heartbeat: Heartbeat
    ) -> None:
        self._delivered, self._collect, self._closer = delivered, collect, closer
        self._reconciling, self._heartbeat = reconciling, heartbeat
        self._acks: dict[int, AckQueue] = {}

    def built(self, view: PartitionView) -> None:
        """Begin a new ack queue for a partition that has just been assigned."""
        self._acks[view.partition] = AckQueue(self._delivered.acknowledge, lambda offset: self._acked(view, offset))

    async def run(self, stream: StreamT[bytes]) -> None:
        """Handle what comes, for ever."""
        async for event in events(stream):
            with failstop.guard("collect", event.message):
                await self._delivered.room()
                with self._heartbeat.turn():
                    await self._take(event)

    async def _take(self, event: EventT[bytes]) -> None:
        view = await self._delivered.view(event)
        if view is None or not self._delivered.is_next(view, event.message, view.inbound, view.inbound.next):
            return
        effects = self._collect.handle(view, event.message)
        self._acks[view.partition].add(event.message, effects)
        self._reconciling.resume(view)

    def _acked(self, view: PartitionView, offset: int) -> None:
        view.inbound.acked = offset + 1
        self._closer.close(view, view.once_acked.windows_of(offset))
