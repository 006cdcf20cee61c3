"""A worker with much pending, without a worker: for tests of a scrape and for `python -m bench.scrape`."""

from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from agents.jobs.attempt import Attempt
from agents.metrics.counters import Metrics
from agents.status import job_listing, queue_snapshot, report
from agents.status.queue_gauges import QueueCollector
from agents.status.queue_snapshot import QueueSnapshot
from domain.comparison import Member
from domain.job import ClosedBy, Job, Plan, Policy, Submission, Transport
from domain.partition.state import PartitionState
from domain.rounds import Arrival, RoundEntry, Standing
from streams.wire.status.encode import encode
from streams.wire.status.judges import JudgesStatus
from streams.wire.status.money import Day, MoneyStatus, PaidBatches, Prices, WaitingForMoney
from tables.view import PartitionView, ReadProgress
from tests.model.values import attempt

_NONE_WAITS = WaitingForMoney(0, 0)
_NO_MONEY = MoneyStatus(
    (), Day(None, None, 0.0, 0.0, 0), PaidBatches(None, ()), "hold", WaitingForMoney(0, 0), Prices("", "", ())
)


def learn(state: PartitionState, offset: int, append_ms: int, count: int = 2, deadline_ms: int = 2_000_000) -> None:
    """One inbound record with a round of its own."""
    arrivals = tuple(
        Arrival(place, f"{offset}-{place}", "c", Standing.ACCEPTED, "openai", "m", "per_round", "p", 100, deadline_ms)
        for place in range(count)
    )
    state.learn_record(offset, [RoundEntry(f"cj:{offset}:0", offset, append_ms, arrivals, parts=1)], append_ms)


def filled_metrics(pending: int, members_a_job: int) -> Metrics:
    """The metrics of a worker with so much pending as `filled` makes."""
    metrics = Metrics(CollectorRegistry())
    metrics.registry.register(QueueCollector(filled(pending, members_a_job).snapshot))
    return metrics


@dataclass(frozen=True, slots=True)
class Filled:
    """One partition with much pending, and what its process knows of the jobs."""

    view: PartitionView
    attempts: dict[str, Attempt]

    def snapshot(self) -> QueueSnapshot:
        """What a scrape takes."""
        return queue_snapshot.take([self.view], self.attempts, "me", ("anthropic", "openai"), 1_000_000)

    def status(self) -> str:
        """What /status answers."""
        worker = report.ProcessFacts("me", 1_000_000, 1.0, ())
        parts: dict[str, Any] = {key: {} for key in ("limits", "batch_queues", "results", "silent_s")}
        return encode(
            report.tell([self.view], self.attempts, self.snapshot(), worker, money=_NO_MONEY, judges=JudgesStatus(), **parts)
        )

    def jobs(self) -> str:
        """What /jobs answers."""
        return encode(job_listing.listing([self.view], self.attempts, "me", 1_000_000))


def filled(pending: int, members_a_job: int) -> Filled:
    """A partition with so many comparisons pending: a fifth in windows, two fifths planned, two submitted; 1 % of jobs held."""
    state, attempts, count = PartitionState(0), dict[str, Attempt](), pending // members_a_job
    for offset in range(count):
        learn(state, offset, 500_000 + offset, members_a_job)
    for offset in range(count * 4 // 5):
        job = Job(f"rb-{offset}", offset, 900_000, _plan(offset, members_a_job))
        state.learn_planned(job)
        attempts[job.job_id] = attempt(0, job.job_id, held=offset % 100 == 0)
        if offset % 2:
            state.learn_submission(job.job_id, Submission(offset, f"batch-{offset}", 950_000))
    return Filled(PartitionView(0, state, ReadProgress(count, count, count), ReadProgress(0, 0, 0), caught_up=True), attempts)


def _plan(offset: int, count: int) -> Plan:
    lines = tuple((Member(offset, place),) for place in range(count))
    return Plan(
        *("openai", "m", Transport.BATCH, "batch_api", lines),
        deadline_ms=2_000_000,
        closed_by=ClosedBy.COMPLETE,
        round_key=f"cj:{offset}:0",
        policy=Policy(),
    )
