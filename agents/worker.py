"""The worker: starts what agents.wiring has put together, stops it on SIGTERM, and ends the process when a part fails."""

import asyncio
import datetime as dt
import os
import signal
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import structlog

from agents.liveness.failstop_count import FailStopCount
from agents.liveness.topic_watch import TopicWatch
from agents.liveness.watchdog import Watchdog
from agents.starting import Starting
from agents.status.endpoints import Endpoints
from agents.status.worker_status import Observed, WorkerStatus
from agents.wiring import Edges, assemble, open_edges
from settings.settings import Settings
from streams import failstop, logs
from streams.collector import spare_the_collector
from streams.kafka import security, topics
from streams.kafka.app import raw_topic
from tables.state_dir import StateDir

log = structlog.get_logger("worker")

EXIT_HARD_S = 20.0  # after shutdown_timeout_s and this, a stop that hangs is cut off; what is not acked is read again
_TOUCH_S = 60.0


class Worker:
    """One worker process."""

    def __init__(self, settings: Settings, edges: Edges) -> None:
        self.settings, self._edges = settings, edges
        self.worker_run = uuid.uuid4().hex
        self._parts = assemble(settings, edges, self.worker_run)
        self._state_dir = StateDir(settings.state_dir)
        self._failstops = FailStopCount(settings.state_dir)
        self._watchdog = Watchdog(self._parts.heartbeats, settings.watchdog_s)
        needed = () if settings.testing.embedded_broker else topics.needed(settings)
        self._topic_watch = TopicWatch(settings, [topic.name for topic in needed])
        self._starting = Starting(settings.start_timeout_s)
        self._status = WorkerStatus(settings, self.worker_run, edges.clock, self._observed(), self._parts.stop)
        self._stack = AsyncExitStack()  # what has been started; it ends in the opposite order

    def _observed(self) -> Observed:
        edges, parts = self._edges, self._parts
        return Observed(
            metrics=edges.metrics,
            views=edges.views,
            attempts=parts.dispatcher.attempts,
            accounts=edges.accounts,
            money=parts.money,
            heartbeats=parts.heartbeats,
            topics=self._topic_watch,
            starting=self._starting,
            judges=parts.judges,
        )

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises what start-up refuses; a failure later ends the process with exit 70.

        Whether it returns or raises, the process is to end: a start that was given up leaves tasks and threads behind.
        """
        failstop.before_exit(lambda where, at: self._failstops.add(where, at, dt.datetime.now(dt.UTC), self._status.lived_s))
        failstop.before_exit(lambda *_: logs.finish())
        stop = self._parts.stop
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        if not await self._starting.run(self._start(), stop):
            return
        self._start_loops()
        spare_the_collector()
        log.info("worker_started", worker_run=self.worker_run, providers=list(self._edges.accounts))
        await stop.wait()
        await self._shut_down()

    async def _start(self) -> None:
        settings, edges, starting = self.settings, self._edges, self._starting
        self._state_dir.open()
        starting.at(f"connect to Kafka at {settings.kafka_bootstrap_servers}")
        await security.check(settings)
        if not settings.testing.embedded_broker:
            starting.at("look at the topics and the group, and at the rights there")
            await topics.prepare(settings)
        if edges.app.static_member is not None:
            starting.at(f"look whether another worker runs as {settings.kafka_group_instance_id}")
            await edges.app.static_member.wait_until_free()
        self._status.register(edges.tables, self._failstops.now)
        self._parts.money.begin()
        await self._start_endpoints()
        for account in edges.accounts.values():
            self._stack.push_async_callback(account.provider.close)
        starting.at("start the producer")
        for part in (self._topic_watch, edges.log_ends, edges.outbox):
            await part.start()
            self._stack.push_async_callback(part.stop)
        failstop.handle_loop_exceptions(asyncio.get_running_loop())
        self._declare_agents()
        tables: Any = edges.app.tables  # the declared interface lacks `recovery`
        step = f"join the consumer group {settings.app_id}, and restore the tables"
        starting.at(step, progress=lambda: dict(tables.recovery.active_offsets))
        await edges.app.start()
        self._stack.push_async_callback(edges.app.stop)
        self._stack.callback(edges.views.drop)
        if edges.tracer is not None:
            self._stack.push_async_callback(asyncio.to_thread, edges.tracer.close)
        self._stack.push_async_callback(edges.outbox.drain)

    async def _start_endpoints(self) -> None:
        settings, registry = self.settings, self._edges.metrics.registry
        endpoints = Endpoints(settings.health_host, settings.health_port, registry, self._status)
        await endpoints.start()
        self._stack.push_async_callback(endpoints.stop)

    def _declare_agents(self) -> None:
        app, settings = self._edges.app, self.settings
        app.agent(raw_topic(app, settings.request_topic), name="collect")(self._parts.collect.run)
        app.agent(raw_topic(app, settings.work_topic), name="reconcile")(self._parts.reconcile.run)

    def _start_loops(self) -> None:
        parts, of = self._parts, self._parts.heartbeats.of
        tasks = []
        for loop, name in (
            (parts.timers.run(of("timers")), "timers"),
            (parts.dispatcher.run(of("dispatcher")), "dispatcher"),
            (parts.orphan_files.run(), "tidying"),
            (self._watchdog.run(), "watchdog"),
            (parts.money.run(of("money")), "money"),
            (self._touch(), "touch"),
            (self._topic_watch.run(), "topics"),
            (self._crashed(), "faust"),
        ):
            tasks.append(asyncio.create_task(loop, name=name))
            failstop.watch(tasks[-1], name)
        self._stack.callback(lambda: [task.cancel() for task in tasks])
        self._stack.push_async_callback(parts.dispatcher.finish, self.settings.shutdown_timeout_s)
        if self.settings.watchdog_s:
            self._watchdog.start(self._edges.clock.running_s)
            self._stack.callback(self._watchdog.stop)  # the first to end: the stop has a time limit of its own

    async def _crashed(self) -> None:
        """End the process when Faust crashes, before Faust stops itself: that would commit offsets."""
        await self._edges.app._crashed.wait()
        failstop.stop("faust", self._edges.app.crash_reason or RuntimeError("the app crashed without a reason"))

    async def _touch(self) -> None:
        heartbeat = self._parts.heartbeats.of("touch")
        while True:
            with heartbeat.turn():
                self._state_dir.touch()
            await asyncio.sleep(_TOUCH_S)

    async def _shut_down(self) -> None:
        """Nothing new is begun; calls in flight finish within the time; nothing is cancelled at a provider."""
        log.info("worker_stopping", timeout_s=self.settings.shutdown_timeout_s)
        hard = asyncio.get_running_loop().call_later(
            self.settings.shutdown_timeout_s + EXIT_HARD_S,
            lambda: failstop.stop("shutdown", TimeoutError("the stop did not come to an end")),
        )
        await self._stack.aclose()
        hard.cancel()
        log.info("worker_stopped")


def main(settings: Settings, open_edges: Callable[[Settings], Edges] = open_edges) -> None:
    """Run a worker in an event loop of its own; returns after a clean stop."""
    import uvloop

    async def run() -> None:
        await Worker(settings, open_edges(settings)).run()

    # The runner is never closed: that would wait for all tasks, and those of a Faust that has not started yet may never end.
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(run())
    logs.finish()
    # All is written. Threads that Faust leaves behind (the consumer's) must not hold up the exit.
    os._exit(0)
