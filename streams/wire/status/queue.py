"""What waits, and where: comparisons, open windows, open jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streams.wire.status.sums import known

WINDOW = "window"
#: Of a job. unknown: it is claimed, and whether it was created is not known; held: neither seen nor certainly absent.
JOB_STATES = ("planned", "calling", "claimed", "submitted", "unknown", "held")
#: So many windows and jobs are named, the oldest.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class PendingCount:
    """Comparisons without an outcome."""

    provider: str
    strategy: str
    count: int


@dataclass(frozen=True, slots=True)
class JobCount:
    """Open jobs in one of JOB_STATES."""

    provider: str
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class Stage:
    """How many jobs stand in a state (or windows, of WINDOW), and how old their oldest comparison is."""

    state: str
    count: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """All that waits. stages: from the open window to the provider, those with nothing in them too."""

    waiting: int
    oldest_s: float | None
    nearest_deadline_s: float | None
    pending: Sequence[PendingCount]
    stages: Sequence[Stage]
    jobs: Sequence[JobCount]

    @classmethod
    def merge(cls, several: Sequence[QueueStatus]) -> QueueStatus:
        """Of all workers: sums, the oldest, the nearest."""
        pending: dict[tuple[str, str], int] = {}
        jobs: dict[tuple[str, str], int] = {}
        for queue in several:
            for one in queue.pending:
                pending[one.provider, one.strategy] = pending.get((one.provider, one.strategy), 0) + one.count
            for job in queue.jobs:
                jobs[job.provider, job.state] = jobs.get((job.provider, job.state), 0) + job.count
        return cls(
            waiting=sum(queue.waiting for queue in several),
            oldest_s=max(known(queue.oldest_s for queue in several), default=None),
            nearest_deadline_s=min(known(queue.nearest_deadline_s for queue in several), default=None),
            pending=[PendingCount(*key, count) for key, count in sorted(pending.items())],
            stages=_stages(stage for queue in several for stage in queue.stages),
            jobs=[JobCount(*key, count) for key, count in sorted(jobs.items())],
        )


def _stages(told: Iterable[Stage]) -> list[Stage]:
    """In the order in which one worker tells them."""
    found: dict[str, Stage] = {}
    for stage in told:
        before = found.get(stage.state)
        if before is not None:
            oldest_s = max(known((before.oldest_s, stage.oldest_s)), default=None)
            stage = Stage(stage.state, before.count + stage.count, oldest_s)
        found[stage.state] = stage
    return list(found.values())


@dataclass(frozen=True, slots=True)
class WindowStatus:
    """An open window. comparisons: gathered in it; arrived, announced: of its round, where requests say how many it has."""

    round: str
    strategy: str
    providers: Sequence[str]
    comparisons: int
    arrived: int | None
    announced: int | None
    age_s: float | None
    partition: int


@dataclass(frozen=True, slots=True)
class RoundsStatus:
    """open: with a comparison that has no outcome; gathering: open windows; shown: the oldest of those."""

    open: int
    gathering: int
    shown: Sequence[WindowStatus]

    @classmethod
    def merge(cls, several: Sequence[RoundsStatus]) -> RoundsStatus:
        """Of all workers: the oldest of them all are shown."""
        shown = sorted((one for rounds in several for one in rounds.shown), key=lambda one: -(one.age_s or 0.0))
        return cls(sum(one.open for one in several), sum(one.gathering for one in several), shown[:SHOWN])


@dataclass(frozen=True, slots=True)
class ShownJob:
    """An open job. done: members that have an outcome, or whose rows the provider has done by its own word."""

    job_id: str
    round: str
    provider: str
    model: str
    mode: str
    state: str
    state_s: float
    age_s: float
    deadline_s: float
    comparisons: int
    done: int
    attempt: int
    provider_job_id: str | None
    partition: int


@dataclass(frozen=True, slots=True)
class JobsStatus:
    """How many are open, and the oldest of them."""

    open: int
    shown: Sequence[ShownJob]

    @classmethod
    def merge(cls, several: Sequence[JobsStatus]) -> JobsStatus:
        """Of all workers: the oldest of them all are shown."""
        shown = sorted((one for jobs in several for one in jobs.shown), key=lambda one: -one.age_s)
        return cls(sum(one.open for one in several), shown[:SHOWN])
