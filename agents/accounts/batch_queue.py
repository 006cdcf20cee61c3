"""The provider's queue of batches that have not ended, whose size is limited: a batch without room waits until others end.

What is in the queue is derived from the open jobs of this worker's partitions, so it is right after a restart. With several
workers, each may use as large a part of the limit as it holds of all partitions.
"""

import heapq
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from agents.accounts.wake import Wake
from agents.partitions.views import Views
from domain.cutting import estimated_tokens
from domain.job import Job, JobKey, Transport
from domain.providers import PROVIDERS
from settings.settings import Settings
from streams.clock import Clock
from tables.view import PartitionView

Queue = tuple[str, str]  # account and model; no model ("") where the account's models share one queue
# How often the queues are counted anew, for batches end. What is admitted in between is added at once.
_COUNT_S = 1.0


class Amount(NamedTuple):
    """Lines and input tokens (an upper estimate) of batches."""

    items: int
    tokens: int


@dataclass(frozen=True, slots=True)
class BatchQueueState:
    """One queue: what is in it, what this worker may have in it (None: no limit), jobs that wait, seconds in which any did."""

    used: Amount
    max_items: float | None
    max_tokens: float | None
    waiting: int
    throttled_s: float


class BatchQueue:
    """Room in the batch queues of the accounts. `wake(partition, job id)` is called for a job that may be tried again."""

    def __init__(self, settings: Settings, views: Views, clock: Clock, wake: Wake) -> None:
        self._settings, self._views, self._clock, self._wake = settings, views, clock, wake
        self._sizes: dict[JobKey, tuple[Queue, Amount]] = {}
        self._admitted: dict[JobKey, Job] = {}  # admitted, and not seen as claimed yet
        self._used: defaultdict[Queue, Amount] = defaultdict(lambda: Amount(0, 0))
        self._counted_s = -math.inf
        self._waiting: dict[Queue, list[tuple[int, JobKey]]] = {}  # heaps by deadline
        self._waits: set[JobKey] = set()
        self._throttled_s: defaultdict[Queue, float] = defaultdict(float)
        self._alive: set[JobKey] = set()
        self._ticked_s = clock.running_s()

    def admit(self, view: PartitionView, job: Job) -> bool:
        """Whether a batch may be claimed now. If so, it counts from now on; if not, it is woken when its turn has come."""
        account = job.plan.provider
        if self._limits(account) == (None, None) or job.plan.transport is not Transport.BATCH:
            return True
        key = (view.partition, job.job_id)
        queue, size = self._size(view, job)
        self._count()
        first = self._first(queue)
        if (first is not None and first < (job.plan.deadline_ms, key)) or not self._has_room(queue, size):
            self._alive.add(key)  # planned after the last count, it would be taken for gone and never woken
            if key not in self._waits:
                self._waits.add(key)
                heapq.heappush(self._waiting.setdefault(queue, []), (job.plan.deadline_ms, key))
            return False
        self._waits.discard(key)  # looked at without having been woken (a rebalance), it would hold up those behind it
        self._admitted[key] = job
        self._add(queue, size)
        return True

    def lets_shadows(self, view: PartitionView, job: Job) -> bool:
        """Whether there is room for the shadows of a batch that was just admitted; if so, they count from now on.

        There is none while another batch waits: its turn comes first.
        """
        if self._limits(job.plan.provider) == (None, None):
            return True
        key = (view.partition, job.job_id)
        queue, size = self._size(view, job)
        more = self._of_shadows(view, job)
        if self._first(queue) is not None or not self._has_room(queue, more):
            return False
        self._sizes[key] = queue, Amount(size.items + more.items, size.tokens + more.tokens)
        self._add(queue, more)
        return True

    @staticmethod
    def _of_shadows(view: PartitionView, job: Job) -> Amount:
        pending = (view.state.pending.get(shadow.member) for shadow in job.plan.shadows)
        return Amount(len(job.plan.shadows), sum(estimated_tokens(one) for one in pending if one is not None))

    def not_sent(self, partition: int, job_id: str) -> None:
        """A batch that was admitted will not be created now: its room, and that of its shadows, is free again."""
        if self._admitted.pop((partition, job_id), None) is not None:
            self._sizes.pop((partition, job_id), None)
            self._counted_s = -math.inf

    def tick(self) -> None:
        """Wake the jobs for which there is room, the earliest deadline first."""
        elapsed_s, self._ticked_s = self._clock.running_s() - self._ticked_s, self._clock.running_s()
        if not self._waiting:
            return
        self._count()
        for queue in list(self._waiting):
            self._throttled_s[queue] += elapsed_s
            room = self._used[queue]
            while (first := self._first(queue)) is not None:
                key, size = first[1], self._sizes[first[1]][1]
                if key in self._alive and not self._fits(queue, room, size):
                    break
                self._waits.discard(key)
                if key in self._alive and self._wake(*key):
                    room = Amount(room.items + size.items, room.tokens + size.tokens)

    def _first(self, queue: Queue) -> tuple[int, JobKey] | None:
        """The next job that waits, with its deadline. Entries of jobs that wait no more are dropped on the way."""
        waiting = self._waiting.get(queue, [])
        while waiting and waiting[0][1] not in self._waits:
            heapq.heappop(waiting)
        if not waiting:
            self._waiting.pop(queue, None)
            return None
        return waiting[0]

    def state(self) -> dict[Queue, BatchQueueState]:
        """What the metrics show, by account and model, of accounts that have a limit."""
        self._count()
        queues = {*self._used, *self._waiting, *self._throttled_s}
        return {
            queue: BatchQueueState(
                self._used[queue],
                *self._share_of(queue[0]),
                waiting=len({key for _, key in self._waiting.get(queue, ())} & self._waits),
                throttled_s=self._throttled_s[queue],
            )
            for queue in queues
            if self._limits(queue[0]) != (None, None)
        }

    def _limits(self, account: str) -> tuple[int | None, int | None]:
        block = self._settings.provider(account)
        return block.max_enqueued_items, block.max_enqueued_tokens

    def _share_of(self, account: str) -> tuple[float | None, float | None]:
        share = self._views.share
        items, tokens = self._limits(account)
        return None if items is None else items * share, None if tokens is None else tokens * share

    def _has_room(self, queue: Queue, size: Amount) -> bool:
        return self._fits(queue, self._used[queue], size)

    def _fits(self, queue: Queue, used: Amount, size: Amount) -> bool:
        if not used.items:  # otherwise a job larger than the share would wait for ever
            return True
        items, tokens = self._share_of(queue[0])
        return (items is None or used.items + size.items <= items) and (tokens is None or used.tokens + size.tokens <= tokens)

    def _size(self, view: PartitionView, job: Job) -> tuple[Queue, Amount]:
        key = (view.partition, job.job_id)
        if key not in self._sizes:
            plan, pending = job.plan, view.state.pending
            tokens = sum(estimated_tokens(pending[member]) for member in plan.members if member in pending)
            # OpenAI counts the tokens of a model, Anthropic the requests of a workspace.
            queue = (plan.provider, plan.model if PROVIDERS[plan.provider].queue_by_model else "")
            more = self._of_shadows(view, job) if job.claim is not None and job.claim.shadows else Amount(0, 0)
            self._sizes[key] = queue, Amount(len(plan.lines) + more.items, tokens + more.tokens)
        return self._sizes[key]

    def _add(self, queue: Queue, size: Amount) -> None:
        used = self._used[queue]
        self._used[queue] = Amount(used.items + size.items, used.tokens + size.tokens)

    def _count(self) -> None:
        now_s = self._clock.running_s()
        if now_s - self._counted_s < _COUNT_S:
            return
        self._counted_s = now_s
        self._used.clear()
        alive: set[JobKey] = set()
        for view in self._views:
            for job in view.state.jobs.values():
                key = (view.partition, job.job_id)
                if job.plan.transport is not Transport.BATCH or self._limits(job.plan.provider) == (None, None):
                    continue
                alive.add(key)
                if job.claim is not None or job.submission is not None:
                    self._admitted.pop(key, None)
                elif key not in self._admitted:
                    continue
                self._add(*self._size(view, job))
        self._alive = alive
        for key in self._sizes.keys() - alive - self._waits:
            del self._sizes[key]
            self._admitted.pop(key, None)
