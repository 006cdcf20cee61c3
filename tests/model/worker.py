"""One worker of the model: the real agents, dispatcher and timers, over memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from agents.liveness.heartbeats import silent
from agents.metrics.counters import Metrics
from agents.partitions.kept import KeptViews, Membership
from agents.partitions.listeners import Listeners
from agents.records.trace_context import Tracer
from agents.wiring import Edges, assemble
from domain.circuit import Pause
from providers.account import Account
from providers.limits.account_limits import only_concurrent
from providers.limits.limiter import Limiter
from providers.mock.provider import MockProvider
from settings.settings import TABLES, Settings
from tables import build as building
from tables.view import PartitionView, ReadProgress, Tables
from tests.model.log import PARTITION, Disk, Log, ModelClock, Record
from tests.model.outbox import MemoryOutbox
from tests.model.provider import ModelProvider
from tests.model.table import DERIVE, MemoryTable

METRICS = Metrics(CollectorRegistry())  # counted by all, read by nobody
_TURNS = 40  # of the event loop: the longest way from a landed record to the next send takes about 25


class NoPauses:
    """A PauseStore that forgets with the process: what a restart remembers of pauses is tried in tests of its own."""

    def read(self) -> dict[str, tuple[str, Pause]]:
        """Nothing."""
        return {}

    def write(self, pauses: Mapping[str, tuple[str, Pause]]) -> None:
        """Nothing."""


class ModelConsumer:
    """Where a worker stands in its two topics: `position` to be read next, `acked` to be committed."""

    def __init__(self) -> None:
        self.position: dict[str, int] = {}
        self.acked: dict[str, int] = {}
        self.paused: set[str] = set()

    def acknowledge(self, message: Record) -> None:
        """Mark a record as done; AssertionError when one before it is not."""
        assert message.offset == self.acked[message.topic], f"{message.topic}: {message.offset} acked out of order"
        self.acked[message.topic] = message.offset + 1

    def let_go(self, message: Record) -> None:
        """Let go of a record."""

    def pause_partitions(self, places: set[Any]) -> None:
        """Read no more of these."""
        self.paused.update(place.topic for place in places)

    def resume_partitions(self, places: set[Any]) -> None:
        """Read on."""
        self.paused.difference_update(place.topic for place in places)


class ModelViews:
    """The view of the one partition while it is assigned: agents.partitions.views.Views without Faust."""

    settled = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.kept: KeptViews | None = None
        self.missing_records = SimpleNamespace(is_real=lambda view, topic, expected, after: True)
        self.same_log = SimpleNamespace(suspect=lambda view: None)
        self.view: PartitionView | None = None
        self.listeners = Listeners()

    @property
    def rebalancing(self) -> bool:
        """Partitions come and go when a test says so, never half."""
        return False

    def note_caught_up(self, view: PartitionView, now_ms: int) -> None:
        """As the real one."""
        if view.check_caught_up(now_ms):
            self.listeners.caught_up(view)

    def assigned(self) -> list[int]:
        """The partition, while it is assigned."""
        return [] if self.view is None else [PARTITION]

    @property
    def share(self) -> float:
        """The one partition of all, while it is assigned."""
        return len(self.assigned()) / self._settings.partitions

    def current(self, partition: int) -> PartitionView | None:
        """Its view."""
        return self.view

    def __iter__(self) -> Iterator[PartitionView]:
        return iter([] if self.view is None else [self.view])

    async def get(self, partition: int) -> PartitionView | None:
        """Its view."""
        return self.view

    async def recovered(self) -> None:
        """Tables are recovered at assignment."""

    def look_at_transactions(self) -> None:
        """The model's log has none."""

    async def look_at_ends(self) -> None:
        """The model loses no records on their way."""

    def mend_stall(self, view: PartitionView) -> None:
        """The model has no transactions."""

    def drop(self) -> None:
        """The assignment is over."""
        if self.view is not None:
            self.view.kill()
            if self.kept is not None:
                self.kept.keep(self.view)
        self.view = None


class _OneEvent:
    """A Faust stream of one record."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def noack(self) -> "_OneEvent":
        return self

    async def events(self) -> AsyncIterator[Any]:
        yield SimpleNamespace(message=self._record)


class ModelWorker:
    """A process. It does nothing of its own accord but what follows from a record that has landed or been read."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        log: Log,
        clock: ModelClock,
        provider: ModelProvider,
        disk: Disk,
        tracer: Tracer | None = None,
    ) -> None:
        self.name, self.settings, self.disk = name, settings, disk
        self._log, self._clock = log, clock
        self.outbox = MemoryOutbox(log)
        self.consumer, self.views = ModelConsumer(), ModelViews(settings)
        self.tables = {
            table: MemoryTable(table, changelog, disk[table], self.outbox, DERIVE.get(table))
            for table, changelog in zip(TABLES, settings.changelog_topics, strict=True)
        }
        edges = self._edges(provider, tracer)
        self._tables, self.tracer = edges.tables, tracer
        self.kept = self.views.kept = KeptViews(edges.tables)
        self.joined = 0  # how often it has joined the group as a new member
        self.goes_on = 0  # views that it has kept
        self.parts = assemble(settings, edges, name)
        self.task = asyncio.create_task(self.parts.dispatcher.run(silent()), name=f"dispatcher {name}")

    def _edges(self, provider: ModelProvider, tracer: Tracer | None) -> Edges:
        app: Any = SimpleNamespace(
            consumer=self.consumer, rebalancing=False, should_stop=False, rebalancing_count=0, consumer_generation_id=0
        )
        views: Any = self.views
        outbox: Any = self.outbox
        doubles: Any = self.tables
        no_log_ends: Any = None  # asked by the real Views alone
        accounts = {provider.name: Account(provider.name, provider, Limiter(only_concurrent(16)))}
        if self.settings.mock.open:
            accounts["mock"] = Account("mock", MockProvider(), Limiter(only_concurrent(16)))
        tables = Tables(**doubles, retention_ms=int(self.settings.dedup_retention_s * 1000))
        return Edges(app, views, tables, outbox, no_log_ends, accounts, self._clock, NoPauses(), METRICS, tracer)

    @property
    def topics(self) -> tuple[str, str]:
        """The inbound topic and the work topic."""
        return self.settings.request_topic, self.settings.work_topic

    @property
    def view(self) -> PartitionView:
        """The view of the partition."""
        assert self.views.view is not None, f"{self.name} has no partition"
        return self.views.view

    async def assign(self, committed: dict[str, int], generation: int) -> None:
        """Take the partition over: recover the tables, build the view or keep it, read on from what is committed."""
        self.kept.assigned([PARTITION], Membership(f"{self.name}-{self.joined}", generation))
        for table in self.tables.values():
            table.recover(self._log)
        self.consumer.paused.clear()
        starts = {topic: committed.get(topic, 0) for topic in self.topics}
        self.consumer.position, self.consumer.acked = dict(starts), dict(starts)
        view = self.kept.find(PARTITION, *self._progress())
        if view is None:
            view = await self.build()
        self.kept.forget(PARTITION)
        self.goes_on += view.kept
        self.views.view = view
        self.views.listeners.built(self.views.view)

    async def build(self) -> PartitionView:
        """The view that its tables make from where it reads on."""
        inbound, work = self._progress()
        return await building.build(self._tables, PARTITION, inbound=inbound, work=work, now_ms=self._clock.now_ms())

    def _progress(self) -> Iterator[ReadProgress]:
        places = self.consumer.position
        return (ReadProgress(places[topic], self._log.end(topic), places[topic]) for topic in self.topics)

    async def collect(self, most: int = 1 << 30) -> int:
        """Read inbound records; returns how many."""
        return await self._read(self.topics[0], self.parts.collect.run, most)

    async def reconcile(self, most: int = 1 << 30) -> int:
        """Read work records; returns how many."""
        return await self._read(self.topics[1], self.parts.reconcile.run, most)

    async def _read(self, topic: str, agent: Callable[[Any], Awaitable[None]], most: int) -> int:
        count = 0
        while count < most and topic not in self.consumer.paused:
            records = self._log.read(topic, self.consumer.position[topic])
            if not records:
                break
            self.consumer.position[topic] += 1
            await agent(_OneEvent(records[0]))
            count += 1
            if topic == self.topics[0]:
                await self.parts.timers.tick()  # what pauses intake comes at any time
        await self.settle()
        return count

    async def tick(self) -> None:
        """Let the timers tick, and the dispatcher look at every open job."""
        await self.parts.timers.tick()
        self.parts.money.admission.tick()
        if self.views.view is not None:
            self.parts.due._changed.set()  # due by the model's clock; nothing else is looked at
        await self.settle()

    async def land(self, *topics: str, most: int = 1 << 30) -> int:
        """Let what it has sent arrive, and what it sends then.

        With arguments only what is in flight now, in topics whose names hold one of these words, at most `most` of each.
        """
        landed = self.outbox.land(lambda topic: not topics or any(word in topic for word in topics), most)
        await self.settle()
        if landed and not topics:
            landed += await self.land()
        return landed

    def revoke(self) -> None:
        """The partition goes, and the process goes on."""
        view = self.views.view
        self.views.drop()
        if view is not None:
            self.views.listeners.dropped(view)

    @staticmethod
    async def settle() -> None:
        """Let everything go on until it waits for something."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """The process is gone; what it has sent is still in flight, and landing it wakes nobody."""
        self.views.drop()
        self.outbox.deaf = True
        steps = [attempt.task for attempt in self.parts.dispatcher.attempts.values() if attempt.task is not None]
        steps += self.parts.dispatcher.shadow_tasks
        for task in (self.task, *steps):
            task.cancel()
        await asyncio.gather(self.task, *steps, return_exceptions=True)
