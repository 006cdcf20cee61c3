"""The views of the partitions that this worker holds: built after an assignment, dropped at a rebalance.

Those of partitions that stay go on with the state that they had, where that is right (agents.partitions.kept)."""

import asyncio
import time
from collections.abc import Collection, Iterator
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP, Message

from agents.partitions.kept import KeptViews, Membership
from agents.partitions.listeners import Listeners
from agents.partitions.missing_records import MissingRecords
from agents.partitions.open_transactions import OpenTransactions
from agents.partitions.restored import are_restored
from agents.partitions.same_log import SameLog
from settings.settings import Settings
from streams.clock import Clock
from streams.kafka.app import RoundbatchApp
from streams.kafka.log_ends import LogEnds
from tables import build as building
from tables.view import PartitionView, ReadProgress, Tables

log = structlog.get_logger("views")

# How long a partition must stand still before the end of a topic until it counts as stalled. It is shorter when no partition
# of the worker has moved, and longer when others have, for then the worker may just be busy. (Records of 0.9 MB that were read
# ahead for one partition kept another waiting for more than a second.)
_ALL_STALLED_S = 1.0
_ONE_STALLED_S = 10.0
_RECOVERED_LOOK_S = 0.005


class Views:
    """Views by partition. A rebalance drops all, even those of partitions that stay: what is not committed is read again."""

    def __init__(self, app: RoundbatchApp, settings: Settings, tables: Tables, log_ends: LogEnds, clock: Clock) -> None:
        self._app, self._settings, self._tables = app, settings, tables
        self._log_ends, self._clock = log_ends, clock
        self._built: dict[int, PartitionView] = {}
        self._building: dict[int, asyncio.Task[PartitionView]] = {}
        self._kept = KeptViews(tables)
        app.on_assigned = self._assigned
        self._stalled: dict[int, tuple[tuple[int, int], float]] = {}
        self._moved_s = 0.0  # when any partition last moved on
        self._restored = self._said_early = False
        self.missing_records = MissingRecords(app, log_ends)
        self.same_log = SameLog(settings, tables, log_ends)
        self.transactions = OpenTransactions()
        self._rebalances = app.rebalancing_count
        self.generation = 0
        self.listeners = Listeners()

    def _let_go(self, message: Message) -> None:
        consumer: Any = self._app.consumer
        consumer.let_go(message)

    @property
    def settled(self) -> bool:
        """Whether the tables are recovered and no rebalance is under way.

        A rebalance that has begun and ended since the last look drops the views too: they hold what is read again from
        here on.
        """
        if self._app.rebalancing_count != self._rebalances:
            self._rebalances = self._app.rebalancing_count
            self.drop()
        if not self._app.tables.actives_ready or self._app.rebalancing or self._app.should_stop:
            self._restored = False
        elif not self._restored:
            self._restored = are_restored(self._app, self._tables, self.assigned())
            if not self._restored and not self._said_early:
                log.warning(
                    "tables_not_restored", said="Faust says that they are, and has not read their changelogs to the end"
                )
            self._said_early = not self._restored
        return self._restored

    async def recovered(self) -> None:
        """Wait while records flow and Faust has not yet said that its tables are recovered.

        Faust lets records flow before it says so. A record that was let go of in between would not be read again before the
        next rebalance.
        """
        while not self.settled and self._app.flow_control.is_active() and not self._app.should_stop:  # noqa: ASYNC110 -- no event tells it
            await asyncio.sleep(_RECOVERED_LOOK_S)

    @property
    def rebalancing(self) -> bool:
        """Whether partitions are being moved, or are about to be given up because Faust stops."""
        return bool(self._app.rebalancing or self._app.should_stop)

    def note_caught_up(self, view: PartitionView, now_ms: int) -> None:
        """Tell once that a partition has been read to the ends that its topics had at the assignment."""
        if view.check_caught_up(now_ms):
            log.info("caught_up", partition=view.partition)
            self.listeners.caught_up(view)

    def assigned(self) -> list[int]:
        """The partitions of the request topic that this worker holds."""
        return sorted(tp.partition for tp in self._app.consumer.assignment() if tp.topic == self._settings.request_topic)

    @property
    def share(self) -> float:
        """The part of all partitions that this worker holds, and so of its accounts' limits and of the day's budget."""
        return len(self.assigned()) / self._settings.partitions

    def current(self, partition: int) -> PartitionView | None:
        """The view of a partition, if it is built and the assignment still holds."""
        return self._built.get(partition) if self.settled else None

    def __iter__(self) -> Iterator[PartitionView]:
        """All views whose assignment holds."""
        return iter(list(self._built.values()) if self.settled else [])

    async def get(self, partition: int) -> PartitionView | None:
        """The view of a partition, built at need; None during a rebalance and when the partition has moved away meanwhile."""
        if not self.settled:
            return None
        built = self._built.get(partition)
        if built is not None:
            return built
        generation = self.generation
        task = self._building.get(partition)
        if task is None:
            task = self._building[partition] = asyncio.create_task(self._build(partition), name=f"view {partition}")
        try:
            view = await asyncio.shield(task)
        except asyncio.CancelledError:
            if generation != self.generation:
                return None
            raise
        if not self.settled or generation != self.generation:
            return None
        if self._building.pop(partition, None) is not None:
            self._built[partition] = view
            self._kept.forget(partition)
            log.info(
                "view_kept" if view.kept else "view_built",
                partition=partition,
                pending=len(view.state.pending),
                jobs=len(view.state.jobs),
                inbound=(view.inbound.next, view.inbound.end),
                work=(view.work.next, view.work.end),
            )
            self.listeners.built(view)
        return view

    def drop(self) -> None:
        """Forget all views: partitions are being revoked. Records that wait in them are dropped unacknowledged."""
        self.generation += 1
        self._rebalances = self._app.rebalancing_count
        self._restored = False
        # Out of reach before the listeners are told: they may ask for views, and must find none.
        built, building = list(self._built.values()), list(self._building.values())
        self._built.clear()
        self._building.clear()
        self._stalled.clear()
        self.missing_records.forget()
        self.transactions.forget()
        for view in built:
            self.listeners.dropped(view)
            for message in view.kill():
                self._let_go(message)
            self._kept.keep(view)
        for task in building:
            task.cancel()

    def _assigned(self, places: Collection[TP], member_id: str, generation: int) -> None:
        if self._app.rebalancing_count != self._rebalances:
            self.drop()  # nobody has asked for a view since the partitions were given up
        partitions = {place.partition for place in places if place.topic == self._settings.request_topic}
        self._kept.assigned(partitions, Membership(member_id, generation))

    async def _build(self, partition: int) -> PartitionView:
        inbound, work = TP(self._settings.request_topic, partition), TP(self._settings.work_topic, partition)
        ends = await self._log_ends.of((inbound, work))
        progress = {"inbound": self._progress_of(inbound, *ends[inbound]), "work": self._progress_of(work, *ends[work])}
        view = self._kept.find(partition, **progress)
        if view is None:
            view = await building.build(self._tables, partition, **progress, now_ms=self._clock.now_ms())
        await self.same_log.check(view)
        return view

    def _progress_of(self, tp: TP, first: int, after: int) -> ReadProgress:
        consumer: Any = self._app.consumer
        # Nothing is handled before the view stands, so nothing was committed since Faust sought to this position.
        committed = consumer._committed_offset.get(tp)
        start = max(committed or 0, first)
        if committed is not None:
            self.missing_records.removed(tp.topic, tp.partition, committed, first)
        return ReadProgress(next=start, end=after, acked=start)

    async def look_at_ends(self) -> None:
        """Note where the topics end now."""
        views_ = list(self)
        topics = (self._settings.request_topic, self._settings.work_topic)
        try:
            ends = await self._log_ends.of((topic, view.partition) for view in views_ for topic in topics)
        except KafkaError as error:  # no reason to stop: while Kafka is gone, what has been paid for waits in the outbox
            log.warning("log_ends_unread", said=repr(error))
            return
        for view in views_:
            view.inbound.log_end = ends[topics[0], view.partition][1]
            view.work.log_end = ends[topics[1], view.partition][1]
            if any(one.log_end < one.known for one in (view.inbound, view.work)):
                self.same_log.suspect(view)

    def look_at_transactions(self) -> None:
        """Note which partitions a producer's open transaction holds back."""
        consumer: Any = self._app.consumer
        inbound = self._settings.request_topic
        for view in self:
            for topic in (inbound, self._settings.work_topic):
                tp = TP(topic, view.partition)
                # A paused partition is not fetched: what its last fetch has said may be long over.
                stable, end = (0, 0) if topic == inbound and view.inbound_paused else consumer.ends(tp)
                self.transactions.note(tp, stable, end, time.monotonic())

    def mend_stall(self, view: PartitionView) -> None:
        """Put right a partition that has stood still before the end of a topic.

        Either the last offsets are transaction markers, which are never delivered and so passed over, or Faust has lost
        records, which are read again.
        """
        place, now_s = (view.inbound.next, view.work.next), time.monotonic()
        before = self._stalled.get(view.partition)
        if before is None or before[0] != place:
            self._stalled[view.partition] = (place, now_s)
            self._moved_s = now_s
            return
        busy = now_s - self._moved_s < _ALL_STALLED_S
        if now_s - before[1] < (_ONE_STALLED_S if busy else _ALL_STALLED_S) or view.waits_for_collect:
            return
        for topic, progress in ((self._settings.request_topic, view.inbound), (self._settings.work_topic, view.work)):
            paused = topic == self._settings.request_topic and view.inbound_paused
            end = max(progress.end, progress.log_end)
            if progress.next < end and not paused and self.missing_records.is_real(view, topic, progress.next, end):
                if progress.acked == progress.next:  # otherwise records before them are still under way
                    progress.acked = end
                progress.next = end
