"""The status of a worker as /status tells it, and of several workers together as `roundbatch watch` shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.wire.status.judges import JudgesStatus
from streams.wire.status.limits import AccountLimits, MergedLimits, QueueUse
from streams.wire.status.money import MoneyStatus, NoMoney
from streams.wire.status.queue import JobsStatus, QueueStatus, RoundsStatus
from streams.wire.status.sums import counted


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """The process. not_ready: as /readyz says; silent_s: by loop; lag: records not acknowledged, of `request` and `work`."""

    run: str
    now_ms: int
    lived_s: float
    not_ready: Sequence[str]
    partitions: int
    caught_up: int
    paused: int
    silent_s: Mapping[str, float]
    lag: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Status:
    """One worker, which knows its own partitions only. results: events sent since its start, by outcome."""

    worker: WorkerFacts
    queue: QueueStatus
    results: Mapping[str, int]
    rounds: RoundsStatus
    jobs: JobsStatus
    limits: Sequence[AccountLimits]
    enqueued: Sequence[QueueUse]
    money: MoneyStatus
    judges: JudgesStatus = field(default_factory=JudgesStatus)


@dataclass(frozen=True, slots=True)
class MergedStatus:
    """Several workers as one."""

    workers: Sequence[WorkerFacts]
    queue: QueueStatus
    results: Mapping[str, int]
    rounds: RoundsStatus
    jobs: JobsStatus
    limits: Sequence[MergedLimits]
    enqueued: Sequence[QueueUse]
    money: MoneyStatus | NoMoney
    judges: JudgesStatus


def merge(statuses: Sequence[Status]) -> MergedStatus:
    """One status of all of them; of none, one in which nothing waits."""
    return MergedStatus(
        workers=[status.worker for status in statuses],
        queue=QueueStatus.merge([status.queue for status in statuses]),
        results=counted(status.results for status in statuses),
        rounds=RoundsStatus.merge([status.rounds for status in statuses]),
        jobs=JobsStatus.merge([status.jobs for status in statuses]),
        limits=MergedLimits.merge(account for status in statuses for account in status.limits),
        enqueued=QueueUse.merge(one for status in statuses for one in status.enqueued),
        money=MoneyStatus.merge([status.money for status in statuses]),
        judges=JudgesStatus.merge(status.judges for status in statuses),
    )
