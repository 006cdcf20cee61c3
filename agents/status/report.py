"""What the worker tells of itself at /status: the page at / and `roundbatch watch` show it.

Asked every 2 seconds while somebody looks, so it walks no comparison; of rounds and jobs it names the oldest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from agents.accounts.batch_queue import BatchQueueState
from agents.jobs.attempt import Attempt
from agents.status.job_listing import job_state
from agents.status.queue_snapshot import QueueSnapshot
from domain.closing import Window
from domain.job import Job
from domain.partition.job_stages import since_ms
from providers.limits.account_limits import AccountState
from streams.wire.status.judges import JudgesStatus
from streams.wire.status.limits import AccountLimits, Left, QueueUse
from streams.wire.status.money import MoneyStatus
from streams.wire.status.queue import (
    JOB_STATES,
    SHOWN,
    WINDOW,
    JobCount,
    JobsStatus,
    PendingCount,
    QueueStatus,
    RoundsStatus,
    ShownJob,
    Stage,
    WindowStatus,
)
from streams.wire.status.told import Status, WorkerFacts
from tables.view import PartitionView


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What is told of the process itself; not_ready as /readyz tells it."""

    worker_run: str
    now_ms: int
    lived_s: float
    not_ready: Sequence[str]


def tell(
    views: Sequence[PartitionView],
    attempts: Mapping[str, Attempt],
    queue: QueueSnapshot,
    worker: ProcessFacts,
    *,
    limits: Mapping[str, AccountState],
    batch_queues: Mapping[tuple[str, str], BatchQueueState],
    money: MoneyStatus,
    judges: JudgesStatus,
    results: Mapping[str, int],
    silent_s: Mapping[str, float],
) -> Status:
    """The status of this moment."""
    # Windows and jobs are in the order in which they began: the oldest of all are among the first of each partition.
    windows = [(view, window) for view in views for window in islice(view.state.windows.values(), SHOWN)]
    windows.sort(key=lambda one: one[1].opened_ms or 0)
    jobs = [(view, job) for view in views for job in islice(view.state.jobs.values(), SHOWN)]
    jobs.sort(key=lambda one: (one[1].append_ms, one[1].job_id))
    return Status(
        worker=WorkerFacts(
            run=worker.worker_run,
            now_ms=worker.now_ms,
            lived_s=worker.lived_s,
            not_ready=worker.not_ready,
            partitions=queue.partitions_assigned,
            caught_up=queue.partitions_caught_up,
            paused=queue.partitions_paused,
            silent_s=silent_s,
            lag=queue.lag,
        ),
        queue=_queue(queue),
        results=results,
        rounds=RoundsStatus(
            open=sum(view.state.rounds.open_count for view in views),
            gathering=sum(queue.windows.values()),
            shown=[_window(view, window, worker.now_ms) for view, window in islice(windows, SHOWN)],
        ),
        jobs=JobsStatus(
            open=sum(queue.jobs.values()),
            shown=[_job(view, job, attempts.get(job.job_id), worker) for view, job in islice(jobs, SHOWN)],
        ),
        limits=[_limits(provider, state) for provider, state in sorted(limits.items())],
        enqueued=list(_queue_uses(batch_queues)),
        money=money,
        judges=judges,
    )


def _queue(queue: QueueSnapshot) -> QueueStatus:
    waiting = sum(queue.pending.values())
    return QueueStatus(
        waiting=waiting,
        oldest_s=queue.oldest_pending_s if waiting else None,
        nearest_deadline_s=None if queue.nearest_deadline_s == float("inf") else queue.nearest_deadline_s,
        pending=[PendingCount(*group, count) for group, count in sorted(queue.pending.items()) if count],
        stages=_stages(queue),
        jobs=[JobCount(*group, count) for group, count in sorted(queue.jobs.items()) if count],
    )


def _stages(queue: QueueSnapshot) -> list[Stage]:
    counts = {WINDOW: sum(queue.windows.values())} | dict.fromkeys(JOB_STATES, 0)
    for (_, state), count in queue.jobs.items():
        counts[state] += count
    return [Stage(state, count, queue.oldest_comparison_s.get(state)) for state, count in counts.items()]


def _window(view: PartitionView, window: Window, now_ms: int) -> WindowStatus:
    progress = view.state.progress.held(window.round_key)
    return WindowStatus(
        round=window.round_key,
        strategy=window.strategy,
        providers=sorted(provider for provider, load in window.loads.items() if load.items),
        comparisons=len(window.members),
        arrived=None if progress is None else progress.ids,
        announced=None if progress is None else progress.announced,
        age_s=None if window.opened_ms is None else max(0.0, (now_ms - window.opened_ms) / 1000),
        partition=view.partition,
    )


def _job(view: PartitionView, job: Job, attempt: Attempt | None, worker: ProcessFacts) -> ShownJob:
    members, waiting = job.plan.size, view.state.open_count(job.job_id)
    return ShownJob(
        job_id=job.job_id,
        round=job.plan.round_key,
        provider=job.plan.provider,
        model=job.plan.model,
        mode=job.plan.mode,
        state=job_state(job, attempt, worker.worker_run),
        state_s=max(0.0, (worker.now_ms - since_ms(job)) / 1000),
        age_s=max(0.0, (worker.now_ms - job.append_ms) / 1000),
        deadline_s=(job.plan.deadline_ms - worker.now_ms) / 1000,
        comparisons=members,
        done=max(members - waiting, min(members, attempt.rows_done if attempt is not None else 0)),
        attempt=job.plan.attempt,
        provider_job_id=job.submission.provider_job_id if job.submission else None,
        partition=view.partition,
    )


def _limits(provider: str, state: AccountState) -> AccountLimits:
    return AccountLimits(
        provider,
        waiting=state.waiting,
        under_way=state.under_way,
        at_once=state.concurrent_calls,
        share=state.share,
        limits_share=state.limits_share,
        pause_s=max(state.paused_s.values(), default=0.0),
        left=[
            Left(model, kind, one.limit, one.remaining, one.taken_by_others)
            for model, kinds in sorted(state.limits.items())[:SHOWN]
            for kind, one in kinds.items()
            if one.limit is not None and one.remaining is not None
        ],
    )


def _queue_uses(queues: Mapping[tuple[str, str], BatchQueueState]) -> Iterable[QueueUse]:
    """What this worker's batches take of the accounts' queues, where their size is set."""
    for (provider, model), queue in sorted(queues.items()):
        for kind, used, most in (
            ("items", queue.used.items, queue.max_items),
            ("tokens", queue.used.tokens, queue.max_tokens),
        ):
            if most is not None:
                yield QueueUse(provider, model, kind, used, most, queue.waiting)
