"""The queue of this worker's partitions at one moment, counted from their state, so it is right after a restart too.

Nothing here walks what is pending: with 100,000 comparisons a scrape must answer at once, for the event loop stands still
meanwhile (docs/performance.md).
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from agents.jobs.attempt import Attempt
from agents.status.job_listing import job_state
from domain.partition.job_stages import CLAIMED, since_ms, stage_of
from streams.wire.status.queue import WINDOW
from tables.view import PartitionView

G = TypeVar("G", bound=Hashable)
JobGroup = tuple[str, str]  # provider, one of JOB_STATES


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """What waits. Ages are in seconds; a group with nothing in it has none.

    pending: comparisons without an outcome, by (provider, strategy). windows and oldest_window_s: by strategy, counted from the
    append time of the window's earliest request. gathering: comparisons in windows. jobs, oldest_job_s: by (provider, state),
    counted from the latest fact of the job in the log. oldest_comparison_s: by state of its job, or `window`.
    pending_bytes: as `max_pending_bytes` counts it. nearest_deadline_s: until the earliest deadline of a pending comparison;
    infinite where none is pending. lag: records that are in the log and not acknowledged, by topic (request, work).
    known_ids: how many correlation ids are remembered, by which duplicates are recognised.
    """

    providers: tuple[str, ...] = ()
    pending: Mapping[tuple[str, str], int] = field(default_factory=dict)
    windows: Mapping[str, int] = field(default_factory=dict)
    gathering: int = 0
    oldest_window_s: Mapping[str, float] = field(default_factory=dict)
    jobs: Mapping[JobGroup, int] = field(default_factory=dict)
    oldest_job_s: Mapping[JobGroup, float] = field(default_factory=dict)
    oldest_comparison_s: Mapping[str, float] = field(default_factory=dict)
    oldest_pending_s: float = 0.0
    nearest_deadline_s: float = float("inf")
    pending_bytes: int = 0
    known_ids: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)
    partitions_assigned: int = 0
    partitions_caught_up: int = 0
    partitions_paused: int = 0


class _Oldest(Generic[G]):
    """The earliest time of each group."""

    def __init__(self) -> None:
        self._since_ms: dict[G, int] = {}

    def add(self, group: G, since_ms: int | None) -> None:
        if since_ms is not None:
            self._since_ms[group] = min(since_ms, self._since_ms.get(group, since_ms))

    def ages_s(self, now_ms: int) -> dict[G, float]:
        return {group: max(0.0, (now_ms - since_ms) / 1000) for group, since_ms in self._since_ms.items()}


def take(
    views: Iterable[PartitionView], attempts: Mapping[str, Attempt], worker_run: str, providers: tuple[str, ...], now_ms: int
) -> QueueSnapshot:
    """The queue of these views. `attempts` is what this process knows of jobs beyond the log: called, held."""
    shown = list(views)
    jobs = _Jobs(attempts, worker_run)
    windows, gathering, opened_ms = Counter[str](), 0, dict[str, int]()
    for view in shown:
        for window in view.state.windows.values():  # 20,000 of them where requests come one by one: nothing is called here
            name, since = window.strategy, window.opened_ms
            windows[name] += 1
            gathering += len(window.members)
            if since is not None and since < opened_ms.get(name, since + 1):
                opened_ms[name] = since
        jobs.count(view)
    opened, waiting = _Oldest[str](), _Oldest[str]()
    for name, since in opened_ms.items():
        opened.add(name, since)
        waiting.add(WINDOW, since)
    for (_, state), arrived_ms in jobs.arrived.items():
        waiting.add(state, arrived_ms)
    arrivals = [ms for view in shown if (ms := view.state.oldest_pending_ms()) is not None]
    deadlines = [ms for view in shown if (ms := view.state.nearest_deadline_ms()) is not None]
    return QueueSnapshot(
        providers=providers,
        pending=sum((view.state.pending_counts for view in shown), Counter()),
        windows=windows,
        gathering=gathering,
        oldest_window_s=opened.ages_s(now_ms),
        jobs=jobs.counts,
        oldest_job_s=jobs.entered.ages_s(now_ms),
        oldest_comparison_s=waiting.ages_s(now_ms),
        oldest_pending_s=max(0.0, (now_ms - min(arrivals)) / 1000) if arrivals else 0.0,
        nearest_deadline_s=(min(deadlines) - now_ms) / 1000 if deadlines else float("inf"),
        pending_bytes=sum(view.state.pending_bytes for view in shown),
        known_ids=sum(view.state.history.count(now_ms) for view in shown),
        lag={"request": sum(view.inbound.lag for view in shown), "work": sum(view.work.lag for view in shown)},
        partitions_assigned=len(shown),
        partitions_caught_up=sum(view.caught_up for view in shown),
        partitions_paused=sum(view.inbound_paused for view in shown),
    )


class _Jobs:
    """Open jobs by provider and state. The state's tallies count them, but for the few whose state only this process knows."""

    def __init__(self, attempts: Mapping[str, Attempt], worker_run: str) -> None:
        self._attempts, self._worker_run = attempts, worker_run
        self._apart = [attempt for attempt in attempts.values() if attempt.held or attempt.task is not None]
        self.counts: Counter[JobGroup] = Counter()
        self.entered, self.arrived = _Oldest[JobGroup](), dict[JobGroup, int]()

    def count(self, view: PartitionView) -> None:
        state, stages = view.state, view.state.stages
        apart = {attempt.job_id for attempt in self._apart if attempt.job_id in state.jobs}
        for group in stages.entered:
            if group[1] == CLAIMED:  # claimed, or of unknown fate: few, as many as places for submissions
                apart.update(stages.entered.keys(group))
        of_group = Counter((job.plan.provider, stage_of(job)) for job in map(state.jobs.__getitem__, apart))
        for group in stages.entered:
            count = stages.entered.count(group) - of_group[group]
            if count:
                self._add(group, count, stages.entered.oldest_ms(group, apart), stages.arrived.oldest_ms(group, apart))
        for job_id in apart:
            job = state.jobs[job_id]
            group = (job.plan.provider, job_state(job, self._attempts.get(job_id), self._worker_run))
            self._add(group, 1, since_ms(job), stages.arrived_ms(job_id))

    def _add(self, group: JobGroup, count: int, entered_ms: int | None, arrived_ms: int | None) -> None:
        self.counts[group] += count
        self.entered.add(group, entered_ms)
        if arrived_ms is not None:
            self.arrived[group] = min(arrived_ms, self.arrived.get(group, arrived_ms))
