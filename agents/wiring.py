"""The one composition: which parts a worker has, and what each of them is handed.

The edges are what differs: the worker opens real ones (`open_edges`), the tests' memory world hands in doubles, the benchmark
an account that answers at once. All three run this assembly.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from agents.accounts.admission import Admission
from agents.accounts.batch_queue import BatchQueue
from agents.accounts.budgets import Budgets
from agents.accounts.money import Money
from agents.accounts.open import open_accounts, share_accounts
from agents.accounts.pause_file import PauseFile, PauseStore
from agents.accounts.pauses import Pauses
from agents.jobs.call import CallJob
from agents.jobs.dispatcher import Dispatcher, JobSteps
from agents.jobs.due import DueJobs
from agents.jobs.find_lost import FindLost
from agents.jobs.orphan_files import OrphanFiles
from agents.jobs.prompts import JobPrompts
from agents.jobs.read_results import ReadResults
from agents.jobs.records import JobRecords
from agents.jobs.shadow_calls import ShadowCalls
from agents.jobs.submit import SubmitJob
from agents.jobs.tools import JobTools
from agents.liveness.heartbeats import Heartbeats
from agents.liveness.recovery_watch import RecoveryWatch
from agents.loops import CollectLoop, Delivered, ReconcileLoop
from agents.metrics.counters import Metrics
from agents.partitions.listeners import PartitionListener
from agents.partitions.views import Views
from agents.planning.prices import price_book
from agents.planning.rules import absence_rule
from agents.records.collect import Collect
from agents.records.dead_letters import DeadLetters
from agents.records.reconcile import Reconcile
from agents.records.trace_context import Tracer
from agents.records.work_log import WorkLog
from agents.windows.backlog import Backlog
from agents.windows.closer import Closer
from agents.windows.deadlines import Deadlines
from agents.windows.finished_requests import FinishedRequests
from agents.windows.judges import Judges
from agents.windows.timers import Duties, Timers
from domain.back_off import BackOff
from providers.account import Account
from settings.settings import Settings
from streams.clock import Clock, SystemClock
from streams.kafka.app import RoundbatchApp, make_app
from streams.kafka.log_ends import LogEnds
from streams.kafka.outbox import Outbox
from tables.declared import declare
from tables.view import PartitionView, Tables

_STEP_PATIENCE = 6.0


@dataclass(frozen=True, slots=True)
class Edges:
    """Where the worker touches what is not itself: Kafka, disk, providers, time."""

    app: RoundbatchApp  # its consumer, and whether it is rebalancing
    views: Views  # the partitions that the consumer group has given to this worker
    tables: Tables
    outbox: Outbox
    log_ends: LogEnds
    accounts: Mapping[str, Account]
    clock: Clock
    pauses: PauseStore
    metrics: Metrics
    tracer: Tracer | None = None  # is told of comparisons that have ended


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that the worker, the test world or the benchmark runs or reads. `stop`: once set, nothing new is begun."""

    collect: CollectLoop
    reconcile: ReconcileLoop
    timers: Timers
    due: DueJobs
    dispatcher: Dispatcher
    money: Money
    orphan_files: OrphanFiles
    judges: Judges
    heartbeats: Heartbeats
    stop: asyncio.Event


def open_edges(settings: Settings, outbox: Outbox | None = None, accounts: Mapping[str, Account] | None = None) -> Edges:
    """The real edges, not connected yet. `outbox` and `accounts` replace those that the settings would lead to."""
    metrics, clock = Metrics(CollectorRegistry()), SystemClock()
    outbox = outbox or Outbox(settings)
    if accounts is None:
        accounts = open_accounts(settings, on_http=metrics.http_operation, on_dropped=metrics.parameter_dropped)
    log_ends, app = LogEnds(settings), make_app(settings)
    tables = declare(app, settings, outbox)
    views = Views(app, settings, tables, log_ends, clock)
    return Edges(
        app, views, tables, outbox, log_ends, accounts, clock, PauseFile(settings.state_dir), metrics, _tracer(settings)
    )


def _tracer(settings: Settings) -> Tracer | None:
    if not settings.tracing:
        return None
    from agents.records.tracing import Tracing  # needs the extra `tracing`

    return Tracing()


def assemble(settings: Settings, edges: Edges, worker_run: str) -> Parts:
    """Make all parts of a worker, in the order in which they build on each other; nothing runs yet."""
    views, outbox, clock, metrics = edges.views, edges.outbox, edges.clock, edges.metrics
    stop, heartbeats = asyncio.Event(), Heartbeats(clock)
    due = DueJobs(views, clock)
    money = _money(settings, edges, due)
    letters = DeadLetters(settings, outbox, metrics, clock)
    reconciling = Reconcile(edges.tables, outbox, letters, metrics, clock, edges.tracer)
    work_log = WorkLog(settings.work_topic, outbox)
    tools = _tools(settings, edges, money, work_log, worker_run)
    dispatcher = _dispatcher(tools, edges.views, due, money, stop)
    closer, delivered = Closer(settings, work_log, clock), Delivered(edges.app, views, outbox, stop)
    reconcile = ReconcileLoop(delivered, reconciling, due, heartbeats.of("reconcile"))
    collecting = Collect(settings, edges.tables, outbox, letters, metrics, clock)
    collect = CollectLoop(delivered, collecting, closer, reconcile, heartbeats.of("collect"))
    recovery = RecoveryWatch(edges.app, clock)
    duties = Duties(
        closer,
        Deadlines(settings, outbox, clock, money.admission.why_waiting),
        FinishedRequests(settings, outbox, clock),
        Backlog(edges.app, settings),
        Judges(settings, outbox, clock),
    )

    def recovered(_: PartitionView) -> None:
        if all(view.caught_up for view in views) and (seconds := recovery.ended()) is not None:
            metrics.recovered(seconds)

    # The order matters: reconcile first ends what was cancelled; then admission counts what claimed jobs have reserved; and
    # only then are jobs looked at.
    views.listeners.add(
        PartitionListener(built=collect.built),
        PartitionListener(built=reconcile.built, caught_up=reconciling.caught_up),
        PartitionListener(built=lambda _: share_accounts(edges.accounts, views.share)),
        PartitionListener(caught_up=money.admission.caught_up),
        PartitionListener(caught_up=due.consider_all),
        PartitionListener(caught_up=recovered, dropped=lambda _: recovery.began()),
        PartitionListener(dropped=dispatcher.dropped),
    )
    _watch_silence(heartbeats, outbox, dispatcher)
    return Parts(
        collect,
        reconcile,
        Timers(settings, views, duties, recovery, clock),
        due,
        dispatcher,
        money,
        OrphanFiles(settings, edges.accounts, clock, heartbeats.of("tidying")),
        duties.judges,
        heartbeats,
        stop,
    )


def _money(settings: Settings, edges: Edges, due: DueJobs) -> Money:
    views, clock, counters = edges.views, edges.clock, edges.metrics.money
    keys = {name: account.provider.key_hash for name, account in edges.accounts.items()}
    back_off = BackOff(settings.backoff_first_s, settings.backoff_max_s)
    pauses = Pauses(keys, back_off, edges.pauses, counters, clock, due.wake)
    budgets = Budgets(settings, price_book(settings), views, counters, clock, due.wake)
    batch_queue = BatchQueue(settings, views, clock, due.wake)
    places = {name: settings.provider(name).max_concurrent_calls for name in edges.accounts}
    admission = Admission(places, pauses, budgets, batch_queue, due.wake, edges.metrics.audits)
    for name, account in edges.accounts.items():
        account.limiter.count_behind(partial(admission.calls_waiting, name))
    return Money(settings, edges.accounts, pauses, budgets, batch_queue, admission)


def _tools(settings: Settings, edges: Edges, money: Money, work_log: WorkLog, worker_run: str) -> JobTools:
    prompts, records = JobPrompts(settings, edges.tables, edges.metrics.audits), JobRecords(work_log)
    return JobTools(
        settings, edges.accounts, prompts, records, money.pauses, money.prices, edges.metrics, edges.clock, worker_run
    )


def _dispatcher(tools: JobTools, views: Views, due: DueJobs, money: Money, stop: asyncio.Event) -> Dispatcher:
    find_lost = FindLost(tools, views, absence_rule(tools.settings))
    steps = JobSteps(
        SubmitJob(tools, find_lost),
        ReadResults(tools, find_lost),
        find_lost,
        CallJob(tools, ShadowCalls(tools, money.admission)),
    )
    return Dispatcher(tools, steps, views, due, money.admission, stop)


def _watch_silence(heartbeats: Heartbeats, outbox: Outbox, dispatcher: Dispatcher) -> None:
    """Let the watchdog watch what has no turns of its own: the outbox, and the steps of jobs."""

    def steps_silent_s() -> float:
        return max(0.0, dispatcher.silent_s() - outbox.silent_s())

    # Shown, but never a reason to stop: while Kafka is gone the producer keeps what has been paid for, and sends it later.
    heartbeats.watch("outbox", outbox.silent_s, patience=math.inf)
    # A create call may wait for other uploads and has time limits of minutes; and a step may wait for Kafka.
    heartbeats.watch("job_steps", steps_silent_s, patience=_STEP_PATIENCE)
