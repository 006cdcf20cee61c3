"""A bound on how many jobs of an account are worked on at once; of those that wait, the earliest deadline goes first."""

import heapq
from collections.abc import Callable


class Slots:
    """`size` places. A job that finds none is remembered, and woken when its turn has come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken: set[str] = set()
        self._waiting: list[tuple[int, str, Callable[[], bool]]] = []
        self._queued: set[str] = set()

    def take(self, job_id: str, deadline_ms: int, wake: Callable[[], bool]) -> bool:
        """Take a place (again, if the job has one already), or False; then `wake` is called once a place is free.

        `wake` says whether the job still wants it: one whose partition has gone must not keep the next one waiting.
        """
        if job_id in self._taken:
            return True
        if len(self._taken) < self._size:
            self._taken.add(job_id)
            return True
        if job_id not in self._queued:
            self._queued.add(job_id)
            heapq.heappush(self._waiting, (deadline_ms, job_id, wake))
        return False

    def release(self, job_id: str) -> None:
        """Give the place back, if the job has one, and wake the next."""
        if job_id not in self._taken:
            return
        self._taken.remove(job_id)
        while self._waiting:
            _, waiting, wake = heapq.heappop(self._waiting)
            self._queued.remove(waiting)
            if waiting not in self._taken and wake():
                return
