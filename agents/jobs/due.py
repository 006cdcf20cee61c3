"""Which jobs are to be looked at, and when: one heap of (time, job), no task per waiting job."""

import asyncio
import heapq

from agents.partitions.views import Views
from domain.job import JobKey
from streams.clock import Clock
from tables.view import PartitionView


class DueJobs:
    """Whatever may lead a job on (a fact acknowledged, a place free, a time come) puts it in; the dispatcher takes it out."""

    def __init__(self, views: Views, clock: Clock) -> None:
        self._views, self._clock = views, clock
        self._heap: list[tuple[float, int, str]] = []
        self._changed = asyncio.Event()

    def consider(self, partition: int, job_id: str, delay_s: float = 0.0) -> None:
        """Have a job looked at, now or later."""
        heapq.heappush(self._heap, (self._clock.running_s() + delay_s, partition, job_id))
        self._changed.set()

    def consider_all(self, view: PartitionView) -> None:
        """Have every open job of a partition looked at: it has just caught up."""
        for job_id in (*view.state.jobs, *view.to_cancel):
            self.consider(view.partition, job_id)

    def wake(self, partition: int, job_id: str) -> bool:
        """Have a job looked at that has waited for a place, an account or money; False when it wants nothing any more."""
        view = self._views.current(partition)
        if view is None or job_id not in view.state.jobs:
            return False
        self.consider(partition, job_id)
        return True

    def take(self) -> JobKey | None:
        """The next job whose time has come; None while there is none."""
        if not self._heap or self._heap[0][0] > self._clock.running_s():
            return None
        _, partition, job_id = heapq.heappop(self._heap)
        return partition, job_id

    async def wait(self, most_s: float) -> None:
        """Wait until a job is due or another one was added, at most so many seconds."""
        self._changed.clear()
        if self._heap:
            most_s = min(most_s, self._heap[0][0] - self._clock.running_s())
        try:
            await asyncio.wait_for(self._changed.wait(), timeout=max(0.001, most_s))
        except TimeoutError:
            return
