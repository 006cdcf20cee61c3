"""What the worker tells of itself at /status: the page at / and `roundbatch watch` show it. JSON, no prompt, no key.

Asked every 2 seconds while somebody looks, so it walks no comparison; of rounds and jobs it names the oldest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from agents.accounts.batch_queue import BatchQueueState
from agents.jobs.attempt import Attempt
from agents.status.job_listing import STATES, job_state
from agents.status.queue_snapshot import WINDOW, QueueSnapshot
from domain.closing import Window
from domain.job import Job
from domain.partition.job_stages import since_ms
from providers.limits.account_limits import AccountState
from tables.view import PartitionView

SHOWN = 50


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """The process itself; not_ready as /readyz says."""

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
    enqueued: Mapping[tuple[str, str], BatchQueueState],
    money: dict[str, Any],
    results: Mapping[str, int],
    silent_s: Mapping[str, float],
) -> dict[str, Any]:
    """The status of this moment. Ages and times left are in seconds; null where there is nothing to tell."""
    # Windows and jobs stand in the order of their beginning: the first ones of each partition hold the oldest of all.
    windows = [(view, window) for view in views for window in islice(view.state.windows.values(), SHOWN)]
    windows.sort(key=lambda one: one[1].opened_ms or 0)
    jobs = [(view, job) for view in views for job in islice(view.state.jobs.values(), SHOWN)]
    jobs.sort(key=lambda one: (one[1].append_ms, one[1].job_id))
    return {
        "worker": {
            "run": worker.worker_run,
            "now_ms": worker.now_ms,
            "lived_s": worker.lived_s,
            "not_ready": list(worker.not_ready),
            "partitions": queue.partitions_assigned,
            "caught_up": queue.partitions_caught_up,
            "paused": queue.partitions_paused,
            "silent_s": dict(silent_s),
            "lag": dict(queue.lag),
        },
        "queue": {
            "waiting": sum(queue.pending.values()),
            "oldest_s": queue.oldest_pending_s if sum(queue.pending.values()) else None,
            "nearest_deadline_s": None if queue.nearest_deadline_s == float("inf") else queue.nearest_deadline_s,
            "pending": _counted(queue.pending, "provider", "strategy"),
            "stages": _stages(queue),
            "jobs": _counted(queue.jobs, "provider", "state"),
        },
        "results": dict(results),
        "rounds": {
            "open": sum(view.state.rounds.open_count for view in views),
            "gathering": sum(queue.windows.values()),
            "shown": [_window(view, window, worker.now_ms) for view, window in islice(windows, SHOWN)],
        },
        "jobs": {
            "open": sum(queue.jobs.values()),
            "shown": [_job(view, job, attempts.get(job.job_id), worker) for view, job in islice(jobs, SHOWN)],
        },
        "limits": _limits(limits),
        "enqueued": list(_enqueued(enqueued)),
        "money": money,
    }


def _counted(counts: Mapping[tuple[str, str], int], first: str, second: str) -> list[dict[str, Any]]:
    return [{first: one, second: other, "count": count} for (one, other), count in sorted(counts.items()) if count]


def _stages(queue: QueueSnapshot) -> list[dict[str, Any]]:
    """From the open window to the provider: how many jobs (windows) stand there, and how old their oldest comparison is."""
    counts = {WINDOW: sum(queue.windows.values())} | dict.fromkeys(STATES, 0)
    for (_, state), count in queue.jobs.items():
        counts[state] += count
    return [
        {"state": state, "count": count, "oldest_s": queue.oldest_comparison_s.get(state)} for state, count in counts.items()
    ]


def _window(view: PartitionView, window: Window, now_ms: int) -> dict[str, Any]:
    progress = view.state.progress.get(window.round_key)
    return {
        "round": window.round_key,
        "strategy": window.strategy,
        "providers": sorted(provider for provider, load in window.loads.items() if load.items),
        "comparisons": len(window.members),
        "arrived": None if progress is None else progress.ids,
        "announced": None if progress is None else progress.announced,
        "age_s": None if window.opened_ms is None else max(0.0, (now_ms - window.opened_ms) / 1000),
        "partition": view.partition,
    }


def _job(view: PartitionView, job: Job, attempt: Attempt | None, worker: ProcessFacts) -> dict[str, Any]:
    members, waiting = len(job.plan.members), view.state.open_count(job.job_id)
    return {
        "job_id": job.job_id,
        "round": job.plan.round_key,
        "provider": job.plan.provider,
        "model": job.plan.model,
        "mode": job.plan.mode,
        "state": job_state(job, attempt, worker.worker_run),
        "state_s": max(0.0, (worker.now_ms - since_ms(job)) / 1000),
        "age_s": max(0.0, (worker.now_ms - job.append_ms) / 1000),
        "deadline_s": (job.plan.deadline_ms - worker.now_ms) / 1000,
        "comparisons": members,
        "done": max(members - waiting, min(members, attempt.rows_done if attempt is not None else 0)),
        "attempt": job.plan.attempt,
        "provider_job_id": job.submission.provider_job_id if job.submission else None,
        "partition": view.partition,
    }


def _limits(states: Mapping[str, AccountState]) -> list[dict[str, Any]]:
    return [
        {
            "provider": provider,
            "waiting": state.waiting,
            "under_way": state.under_way,
            "at_once": state.concurrent_calls,
            "share": state.share,
            "pause_s": max(state.paused_s.values(), default=0.0),
            "left": list(_left(state)),
        }
        for provider, state in sorted(states.items())
    ]


def _left(state: AccountState) -> Iterable[dict[str, Any]]:
    for model, kinds in sorted(state.limits.items())[:SHOWN]:
        for kind, one in kinds.items():
            if one.limit is not None and one.remaining is not None:
                yield {"model": model, "kind": kind, "limit": one.limit, "remaining": one.remaining}


def _enqueued(queues: Mapping[tuple[str, str], BatchQueueState]) -> Iterable[dict[str, Any]]:
    """What this worker's batches take of the accounts' queues, where their size is set."""
    for (provider, model), queue in sorted(queues.items()):
        for kind, used, most in (
            ("items", queue.used.items, queue.max_items),
            ("tokens", queue.used.tokens, queue.max_tokens),
        ):
            if most is not None:
                yield {
                    "provider": provider,
                    "model": model,
                    "kind": kind,
                    "used": used,
                    "limit": most,
                    "waiting": queue.waiting,
                }
