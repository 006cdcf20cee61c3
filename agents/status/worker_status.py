"""The worker as it is seen from outside: what its metrics, its page and its probes are told, and its loops' signs of life."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.accounts.batch_queue import BatchQueueState
from agents.accounts.money import Money
from agents.jobs.attempt import Attempt
from agents.liveness.failstop_count import FailStops
from agents.liveness.heartbeats import Heartbeats
from agents.liveness.topic_watch import TopicWatch
from agents.metrics.counters import Metrics
from agents.metrics.topics import INBOUND, WORK
from agents.partitions.views import Views
from agents.starting import Starting
from agents.status import job_listing, queue_snapshot, report
from agents.status.audit_gauges import AuditCollector
from agents.status.judges import JudgesCollector, judges_status
from agents.status.limit_gauges import LimitCollector
from agents.status.money import money_status
from agents.status.money_gauges import MoneyCollector
from agents.status.process_gauges import FailStopCollector, LoopCollector, StateCollector
from agents.status.queue_gauges import QueueCollector
from agents.status.queue_snapshot import QueueSnapshot
from agents.status.rankings import OpenRankings
from agents.windows.judges import Judges
from domain.auditing import AuditBook
from providers.account import Account
from providers.limits.account_limits import AccountState
from settings.settings import Settings
from streams.clock import Clock
from streams.wire.status.money import MoneyStatus
from streams.wire.status.open_jobs import OpenJobs
from streams.wire.status.rankings import Rankings
from streams.wire.status.told import Status
from tables.view import Tables


@dataclass(frozen=True, slots=True)
class Observed:
    """The parts of a worker that it tells of. attempts: the dispatcher's own, which come and go."""

    metrics: Metrics
    views: Views
    attempts: Mapping[str, Attempt]
    accounts: Mapping[str, Account]
    money: Money
    heartbeats: Heartbeats
    topics: TopicWatch
    starting: Starting
    judges: Judges


class WorkerStatus:
    """Made once by the worker. Each of its answers is of this moment; none walks what is pending."""

    def __init__(self, settings: Settings, worker_run: str, clock: Clock, observed: Observed, stop: asyncio.Event) -> None:
        self._settings, self._worker_run, self._clock = settings, worker_run, clock
        self._metrics, self._views, self._accounts = observed.metrics, observed.views, observed.accounts
        self._attempts, self._of_money, self._heartbeats = observed.attempts, observed.money, observed.heartbeats
        self._started_s = clock.running_s()
        self._stop = stop
        self._starting, self._topics, self._judges = observed.starting, observed.topics, observed.judges
        self._rankings: OpenRankings | None = None  # from when there are tables

    @property
    def lived_s(self) -> float:
        """Seconds since the start."""
        return self._clock.running_s() - self._started_s

    def register(self, tables: Tables, failstops: Callable[[float], FailStops]) -> None:
        """Offer all metrics. `failstops` is called with the seconds that the process has lived."""
        self._rankings = OpenRankings(self._views, tables, self._clock)
        self._metrics.expect(self._settings.configured_providers)
        self._views.missing_records.on_removed = lambda topic, offsets: self._metrics.topics.removed_unread(
            self._word(topic), offsets
        )
        self._metrics.topics.watch_topics(self._topics.names, lambda name: name in self._topics.missing)
        self._metrics.topics.watch_transactions(self._held_back_s)
        for collector in (
            QueueCollector(self.queue),
            FailStopCollector(lambda: failstops(self.lived_s)),
            LimitCollector(self._limits, self._metrics.labels, self._batch_queues),
            MoneyCollector(self._money),
            AuditCollector(self._audit_books, self._clock.now_ms, self._metrics.labels),
            LoopCollector(self._heartbeats),
            StateCollector(tables),
            JudgesCollector(self._judges, lambda: [view.state.corrections for view in self._views], self._metrics.labels),
        ):
            self._metrics.registry.register(collector)

    def _audit_books(self) -> list[AuditBook]:
        return [view.state.audits for view in self._views]

    def queue(self) -> QueueSnapshot:
        """A snapshot of what waits in the partitions of this worker."""
        providers, now_ms = self._settings.configured_providers, self._clock.now_ms()
        return queue_snapshot.take(self._views, self._attempts, self._worker_run, providers, now_ms)

    def jobs(self) -> OpenJobs:
        """What /jobs shows."""
        return job_listing.listing(self._views, self._attempts, self._worker_run, self._clock.now_ms())

    async def rankings(self) -> Rankings:
        """What /rankings shows: this alone walks what is pending, some at a time."""
        return Rankings(self._clock.now_ms(), 0, []) if self._rankings is None else await self._rankings.told()

    def status(self) -> Status:
        """What /status tells the page."""
        return report.tell(
            list(self._views),
            self._attempts,
            self.queue(),
            report.ProcessFacts(self._worker_run, self._clock.now_ms(), self.lived_s, self.not_ready()),
            limits=self._limits(),
            batch_queues=self._batch_queues(),
            money=self._money(),
            judges=judges_status(self._judges),
            results=self._metrics.results(),
            silent_s={name: heartbeat.silent_s for name, heartbeat in self._heartbeats},
        )

    def not_ready(self) -> list[str]:
        """What keeps the worker from being ready, a line each, for /readyz; empty when it is ready."""
        missing = []
        if self._stop.is_set():
            missing.append("worker: stopping")
        if self._starting.step is not None:
            return [f"start: {self._starting.step}"]
        missing.extend(f"topic {name}: it does not exist (any more)" for name in self._topics.missing)
        if not self._views.settled:
            missing.append("tables: recovering, or a rebalance is under way")
            return missing
        ready = {view.partition for view in self._views if view.caught_up}
        assigned = self._views.assigned()
        if not assigned and not ready:
            missing.append("partitions: none assigned")
        missing.extend(f"partition {partition}: catching up" for partition in assigned if partition not in ready)
        return missing

    def _word(self, topic: str) -> str:
        return WORK if topic == self._settings.work_topic else INBOUND

    def _held_back_s(self, word: str) -> float:
        topic = self._settings.work_topic if word == WORK else self._settings.request_topic
        return self._views.transactions.longest_s(topic, time.monotonic())

    def _money(self) -> MoneyStatus:
        return money_status(self._of_money)

    def _limits(self) -> dict[str, AccountState]:
        return {name: account.limiter.state() for name, account in self._accounts.items()}

    def _batch_queues(self) -> dict[tuple[str, str], BatchQueueState]:
        blocks = [self._settings.provider(name) for name in self._accounts]
        limited = any(block.max_enqueued_items or block.max_enqueued_tokens for block in blocks)
        return self._of_money.batch_queue.state() if limited else {}  # it looks at every open job
