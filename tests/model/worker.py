"""One worker of the model: the real agents, dispatcher and timers, over memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from agents.accounts.admission import Admission
from agents.accounts.batch_queue import BatchQueue
from agents.accounts.budgets import Budgets
from agents.accounts.pause_file import PauseFile
from agents.accounts.pauses import Pauses
from agents.jobs.call import CallJob
from agents.jobs.dispatcher import Dispatcher
from agents.jobs.find_lost import FindLost
from agents.jobs.prompts import JobPrompts
from agents.jobs.read_results import ReadResults
from agents.jobs.records import JobRecords
from agents.jobs.submit import SubmitJob
from agents.loops import AgentLoops
from agents.metrics.counters import Metrics
from agents.metrics.money import MoneyCounters
from agents.planning.rules import absence_rule
from agents.records.collect import Collect
from agents.records.dead_letters import DeadLetters
from agents.records.reconcile import Reconcile
from agents.records.trace_context import Tracer
from agents.windows.closer import Closer
from agents.windows.timers import Timers
from domain.back_off import BackOff
from domain.circuit import Pause
from providers.account import Account
from providers.limits.account_limits import only_concurrent
from providers.limits.limiter import Limiter
from settings.settings import TABLES, Settings
from tables import view as views
from tables.view import PartitionView, ReadProgress, Tables
from tests.model.log import PARTITION, Disk, Log, ModelClock, Record
from tests.model.outbox import MemoryOutbox
from tests.model.provider import ModelProvider
from tests.model.table import MemoryTable

METRICS = Metrics(CollectorRegistry())  # counted by all, read by nobody
COUNTERS = MoneyCounters(METRICS.registry)
_TURNS = 40  # of the event loop: the longest way from a landed record to the next send takes about 25


class NoPauses(PauseFile):
    """Pauses are forgotten with the process: what a restart remembers of them is tried in tests of its own."""

    def __init__(self) -> None:
        pass

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

    def abandon(self, message: Record) -> None:
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
        self.missing_records = SimpleNamespace(is_real=lambda view, topic, expected, after: True)
        self.same_log = SimpleNamespace(suspect=lambda view: None)
        self.view: PartitionView | None = None

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

    def __init__(self, name: str, settings: Settings, log: Log, clock: ModelClock, provider: ModelProvider, disk: Disk) -> None:
        self.name, self.settings, self.disk = name, settings, disk
        self._log, self._clock = log, clock
        self.outbox = MemoryOutbox(log)
        self.consumer, self.views = ModelConsumer(), ModelViews(settings)
        self.tables = {
            table: MemoryTable(table, changelog, disk[table], self.outbox)
            for table, changelog in zip(TABLES, settings.changelog_topics, strict=True)
        }
        self._wire(provider)
        self.task = asyncio.create_task(self.dispatcher.run(), name=f"dispatcher {name}")

    def _wire(self, provider: ModelProvider) -> None:
        """Put the parts together as agents.worker does, each with its double where the real one needs a broker."""
        settings, clock = self.settings, self._clock
        app: Any = SimpleNamespace(
            consumer=self.consumer, rebalancing=False, should_stop=False, rebalancing_count=0, consumer_generation_id=0
        )
        outbox: Any = self.outbox
        model_views: Any = self.views
        doubles: Any = self.tables
        tables = Tables(**doubles)
        accounts = {"openai": Account("openai", provider, Limiter(only_concurrent(16)))}
        letters = DeadLetters(settings, outbox, METRICS, clock)
        prompts = JobPrompts(settings, tables)
        records = JobRecords(settings, outbox)
        find_lost = FindLost(settings, accounts, records, METRICS, clock, absence_rule(settings), frozenset)
        self.pauses = Pauses(
            {"openai": provider.key_hash},
            BackOff(settings.backoff_first_s, settings.backoff_max_s),
            NoPauses(),
            COUNTERS,
            clock,
        )
        self.pauses.recall()
        self.budgets = Budgets(settings, model_views, COUNTERS, clock)
        self.batch_queue = BatchQueue(settings, model_views, clock)
        self.admission = Admission(
            {"openai": settings.openai.max_concurrent_calls}, self.pauses, self.budgets, self.batch_queue
        )
        self.dispatcher = Dispatcher(
            model_views,
            SubmitJob(settings, accounts, prompts, records, find_lost, METRICS, clock, self.name, self.pauses),
            ReadResults(settings, accounts, records, find_lost, METRICS, clock, self.pauses),
            find_lost,
            CallJob(settings, accounts, prompts, outbox, METRICS, clock, self.pauses),
            self.admission,
            clock,
            self.name,
        )
        closer = Closer(settings, outbox, clock)
        collect = Collect(settings, tables, outbox, letters, METRICS, clock)
        reconcile = self._reconcile = Reconcile(tables, outbox, letters, METRICS, clock)
        self.intake = AgentLoops(app, model_views, collect, reconcile, closer, self.dispatcher, outbox)

        def caught_up(view: PartitionView) -> None:
            reconcile.caught_up(view)
            self.admission.caught_up(view)
            self.dispatcher.consider_all(view)

        self.timers = Timers(app, settings, model_views, closer, outbox, clock, caught_up, self.admission.why_waiting)
        self._tables = tables

    @property
    def tracer(self) -> Tracer | None:
        """What is told of comparisons that have ended; None unless a test sets one."""
        return self._reconcile.tracer

    @tracer.setter
    def tracer(self, tracer: Tracer) -> None:
        self._reconcile.tracer = tracer

    @property
    def topics(self) -> tuple[str, str]:
        """The inbound topic and the work topic."""
        return self.settings.request_topic, self.settings.work_topic

    @property
    def view(self) -> PartitionView:
        """The view of the partition."""
        assert self.views.view is not None, f"{self.name} has no partition"
        return self.views.view

    async def assign(self, committed: dict[str, int]) -> None:
        """Take the partition over: recover the tables, build the view, read on from what is committed."""
        for table in self.tables.values():
            table.recover(self._log)
        self.consumer.paused.clear()
        starts = {topic: committed.get(topic, 0) for topic in self.topics}
        self.consumer.position, self.consumer.acked = dict(starts), dict(starts)
        inbound, work = (ReadProgress(starts[topic], self._log.end(topic), starts[topic]) for topic in self.topics)
        self.views.view = await views.build(self._tables, PARTITION, inbound=inbound, work=work, now_ms=self._clock.now_ms())
        self.intake.open_lines(self.views.view)

    async def collect(self, most: int = 1 << 30) -> int:
        """Read inbound records; returns how many."""
        return await self._read(self.topics[0], self.intake.collect, most)

    async def reconcile(self, most: int = 1 << 30) -> int:
        """Read work records; returns how many."""
        return await self._read(self.topics[1], self.intake.reconcile, most)

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
                await self.timers._tick()  # what pauses intake comes at any time
        await self.settle()
        return count

    async def tick(self) -> None:
        """Let the timers tick, and the dispatcher look at every open job."""
        await self.timers._tick()
        self.admission.tick()
        if self.views.view is not None:
            self.dispatcher._wake.set()  # due by the model's clock; nothing else is looked at
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
            self.dispatcher.relinquish(view)

    @staticmethod
    async def settle() -> None:
        """Let everything go on until it waits for something."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """The process is gone; what it has sent is still in flight, and landing it wakes nobody."""
        self.views.drop()
        self.outbox.deaf = True
        steps = [attempt.task for attempt in self.dispatcher.attempts.values() if attempt.task is not None]
        for task in (self.task, *steps):
            task.cancel()
        await asyncio.gather(self.task, *steps, return_exceptions=True)
