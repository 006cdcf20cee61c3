"""The worker: puts all parts together, starts them, stops them on SIGTERM, and ends the process when one of them fails."""

import asyncio
import datetime as dt
import gc
import math
import os
import signal
import uuid
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from agents.accounts.money import Money
from agents.accounts.open import open_accounts, share_accounts
from agents.jobs.call import CallJob
from agents.jobs.dispatcher import Dispatcher
from agents.jobs.find_lost import FindLost
from agents.jobs.orphan_files import OrphanFiles
from agents.jobs.prompts import JobPrompts
from agents.jobs.read_results import ReadResults
from agents.jobs.records import JobRecords
from agents.jobs.submit import SubmitJob
from agents.liveness.failstop_count import FailStopCount
from agents.liveness.topic_watch import TopicWatch
from agents.loops import AgentLoops
from agents.metrics.counters import Metrics
from agents.partitions.views import Views
from agents.planning.rules import absence_rule
from agents.records.collect import Collect
from agents.records.dead_letters import DeadLetters
from agents.records.reconcile import Reconcile
from agents.starting import Starting
from agents.status.endpoints import Endpoints
from agents.status.worker_status import Observed, WorkerStatus
from agents.windows.closer import Closer
from agents.windows.timers import Timers
from settings.settings import Settings
from streams import failstop, logs
from streams.clock import SystemClock
from streams.kafka import security, topics
from streams.kafka.app import make_app, raw_topic
from streams.kafka.log_ends import LogEnds
from streams.kafka.outbox import Outbox
from tables.declared import declare
from tables.state_dir import StateDir
from tables.view import PartitionView

log = structlog.get_logger("worker")

EXIT_HARD_S = 20.0  # beyond shutdown_timeout_s: a stop that hangs ends the process; what is not acked is read again
_TOUCH_S = 60.0
_STEP_PATIENCE = 6.0
_GC_ALLOCATIONS = 20_000  # Python's default is 700: about two comparisons


class Worker:
    """One worker process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.worker_run = uuid.uuid4().hex
        self._clock = SystemClock()
        self._state_dir = StateDir(settings.state_dir)
        self._failstops = FailStopCount(settings.state_dir)
        self.metrics = Metrics(CollectorRegistry())
        self._outbox = Outbox(settings)
        self._log_ends = LogEnds(settings)
        self._app = make_app(settings)
        tables = declare(self._app, settings, self._outbox)
        self._views = Views(self._app, settings, tables, self._log_ends, self._clock)
        self._accounts = open_accounts(settings, self.metrics)
        self._money = Money(settings, self._accounts, self._views, self.metrics.registry, self._clock)
        dead_letters = DeadLetters(settings, self._outbox, self.metrics, self._clock)
        prompts = JobPrompts(settings, tables)
        records = JobRecords(settings, self._outbox)
        find_lost = FindLost(
            settings, self._accounts, records, self.metrics, self._clock, absence_rule(settings), self._submitted_jobs
        )
        pauses = self._money.pauses
        self._dispatcher = Dispatcher(
            self._views,
            SubmitJob(
                settings, self._accounts, prompts, records, find_lost, self.metrics, self._clock, self.worker_run, pauses
            ),
            ReadResults(settings, self._accounts, records, find_lost, self.metrics, self._clock, pauses),
            find_lost,
            CallJob(settings, self._accounts, prompts, self._outbox, self.metrics, self._clock, pauses),
            self._money.admission,
            self._clock,
            self.worker_run,
        )
        closer = Closer(settings, self._outbox, self._clock)
        self._reconcile = Reconcile(tables, self._outbox, dead_letters, self.metrics, self._clock)
        self._loops = AgentLoops(
            self._app,
            self._views,
            Collect(settings, tables, self._outbox, dead_letters, self.metrics, self._clock),
            self._reconcile,
            closer,
            self._dispatcher,
            self._outbox,
        )
        self._views.on_built = self._built
        self._views.on_dropped = self._dropped
        self._timers = Timers(
            self._app,
            settings,
            self._views,
            closer,
            self._outbox,
            self._clock,
            self._caught_up,
            self._money.admission.why_waiting,
        )
        self._orphan_files = OrphanFiles(settings, self._accounts, self._clock)
        self._tables = tables
        observed = Observed(self.metrics, self._views, self._dispatcher.attempts, self._accounts, self._money)
        self._worker_status = WorkerStatus(settings, self.worker_run, self._clock, observed)
        needed = () if settings.testing.embedded_broker else topics.needed(settings)
        self._topic_watch = TopicWatch(settings, [topic.name for topic in needed])
        self._worker_status.watch_topics(self._topic_watch)
        self._watch_loops()
        self._endpoints = Endpoints(settings.health_host, settings.health_port, self.metrics.registry, self._worker_status)
        self._stop = asyncio.Event()
        self._worker_status.starting = self._starting = Starting(settings.start_timeout_s)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises what start-up refuses; a failure later ends the process with exit 70.

        Whether it returns or raises, the process is to end: a start that was given up leaves tasks and threads behind.
        """
        failstop.before_exit(
            lambda where, place: self._failstops.add(where, place, dt.datetime.now(dt.UTC), self._worker_status.lived_s)
        )
        failstop.before_exit(lambda *_: logs.finish())
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, self._stop.set)
        if not await self._starting.run(self._start(), self._stop):
            return
        for task, what in (
            (self._timers.run(), "timers"),
            (self._dispatcher.run(), "dispatcher"),
            (self._orphan_files.run(), "tidying"),
            (self._worker_status.watchdog.run(), "watchdog"),
            (self._money.run(), "money"),
            (self._touch(), "touch"),
            (self._topic_watch.run(), "topics"),
        ):
            self._tasks.append(asyncio.create_task(task, name=what))
            failstop.watch(self._tasks[-1], what)
        crashed = asyncio.create_task(self._crashed(), name="crashed")
        failstop.watch(crashed, "faust")
        if self.settings.watchdog_s:
            self._worker_status.watchdog.start(self._clock.running_s)
        _spare_the_collector()
        log.info("worker_started", worker_run=self.worker_run, providers=list(self._accounts))
        await self._stop.wait()
        self._worker_status.stopping = True
        crashed.cancel()
        await self._shut_down()

    async def _start(self) -> None:
        self._state_dir.open()
        self._starting.at(f"connect to Kafka at {self.settings.kafka_bootstrap_servers}")
        await security.check(self.settings)
        if not self.settings.testing.embedded_broker:
            self._starting.at("look at the topics and the group, and at the rights there")
            await topics.prepare(self.settings)
        self._worker_status.register(self._tables, self._failstops.now)
        self._money.begin()
        if self.settings.tracing:
            from agents.records.tracing import Tracing  # an extra

            self._reconcile.tracer = Tracing()
        await self._endpoints.start()
        self._starting.at("start the producer")
        await self._outbox.start()
        await self._log_ends.start()
        await self._topic_watch.start()
        failstop.handle_loop_exceptions(asyncio.get_running_loop())
        self._declare_agents()
        self._starting.at(f"join the consumer group {self.settings.app_id}, and restore the tables")
        tables: Any = self._app.tables  # its interface lacks what it does
        self._starting.progress = lambda: dict(tables.recovery.active_offsets)
        await self._app.start()

    def _declare_agents(self) -> None:
        inbound = raw_topic(self._app, self.settings.request_topic)
        work = raw_topic(self._app, self.settings.work_topic)
        self._app.agent(inbound, name="collect")(self._loops.collect)
        self._app.agent(work, name="reconcile")(self._loops.reconcile)

    async def _crashed(self) -> None:
        """Faust stops itself by the way that commits; a crash of it must not get that far."""
        await self._app._crashed.wait()
        failstop.stop("faust", self._app.crash_reason or RuntimeError("the app crashed without a reason"))

    async def _touch(self) -> None:
        while True:
            with self._worker_status.heartbeats.of("touch").turn():
                self._state_dir.touch()
            await asyncio.sleep(_TOUCH_S)

    async def _shut_down(self) -> None:
        """No new intake; calls in flight finish within the time; nothing is cancelled at a provider."""
        log.info("worker_stopping", timeout_s=self.settings.shutdown_timeout_s)
        hard = asyncio.get_running_loop().call_later(
            self.settings.shutdown_timeout_s + EXIT_HARD_S,
            lambda: failstop.stop("shutdown", TimeoutError("the stop did not come to an end")),
        )
        self._worker_status.watchdog.stop()  # the stop has a time limit of its own
        self._loops.stop()
        await self._dispatcher.stop(self.settings.shutdown_timeout_s)
        for task in self._tasks:
            task.cancel()
        await self._outbox.drain()
        if self._reconcile.tracer is not None:
            await asyncio.to_thread(self._reconcile.tracer.close)
        self._views.drop()
        await self._app.stop()
        await self._outbox.stop()
        await self._log_ends.stop()
        await self._topic_watch.stop()
        for account in self._accounts.values():
            await account.provider.close()
        await self._endpoints.stop()
        hard.cancel()
        log.info("worker_stopped")

    def _built(self, view: PartitionView) -> None:
        self._loops.open_lines(view)
        share_accounts(self._accounts, self._views.share)

    def _caught_up(self, view: PartitionView) -> None:
        self._reconcile.caught_up(view)
        self._money.admission.caught_up(view)
        self._dispatcher.consider_all(view)
        if all(one.caught_up for one in self._views):
            seconds = self._timers.recovery.ended(self._clock.running_s())
            if seconds is not None:
                self.metrics.recovered(seconds)

    def _dropped(self, view: PartitionView) -> None:
        self._timers.recovery.began(self._clock.running_s())
        self._dispatcher.relinquish(view)

    def _watch_loops(self) -> None:
        heartbeats = self._worker_status.heartbeats
        self._loops.collecting, self._loops.reconciling = heartbeats.of("collect"), heartbeats.of("reconcile")
        self._timers.heartbeat, self._dispatcher.heartbeat = heartbeats.of("timers"), heartbeats.of("dispatcher")
        self._orphan_files.heartbeat, self._money.heartbeat = heartbeats.of("tidying"), heartbeats.of("money")
        # Told, and no reason to stop: while Kafka is gone the producer keeps what has been paid for, and sends it afterwards.
        heartbeats.probe("outbox", self._outbox.silent_s, patience=math.inf)
        # A create may wait for others' uploads, its own time limits are minutes; and a step may wait for Kafka.
        heartbeats.probe("job_steps", self._steps_silent_s, patience=_STEP_PATIENCE)

    def _steps_silent_s(self) -> float:
        return max(0.0, self._dispatcher.silent_s() - self._outbox.silent_s())

    def _submitted_jobs(self) -> frozenset[str]:
        submissions = (job.submission for view in self._views for job in view.state.jobs.values())
        return frozenset(one.provider_job_id for one in submissions if one is not None)


def _spare_the_collector() -> None:
    """Leave what is there for good out of garbage collection, and collect less often: it took 20 % of a busy worker's time.

    Most of what a comparison leaves behind is freed by its reference counts; cycles wait a little longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS, 20, 20)


def main(settings: Settings) -> None:
    """Run a worker in an event loop of its own; returns after a clean stop."""
    import uvloop

    async def run() -> None:
        await Worker(settings).run()

    # Never closed: that would wait for all tasks, and those of a Faust that has not started yet need not end.
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(run())
    logs.finish()
    # Faust leaves threads behind (the consumer's); all is written, and they must not hold up the exit.
    os._exit(0)
