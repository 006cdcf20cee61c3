"""A bound on how many jobs of an account are at work at once. Of the jobs that wait, the rounds take turns."""

import heapq
from collections.abc import Callable

_Waiting = tuple[int, str, Callable[[], bool]]


class Places:
    """`size` places. A job that finds none is remembered, and woken when its turn has come.

    Within a round the earliest deadline goes first. Of the rounds that wait, the one goes first that has had the fewest turns
    since it came, so that 12 jobs are not stuck behind 2,000 single calls of another round. With equal turns, the one with the
    earliest deadline.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken: set[str] = set()
        self._queued: set[str] = set()
        self._rounds: dict[str, list[_Waiting]] = {}  # heaps
        self._turns: dict[str, int] = {}  # of the rounds that wait
        self._next: list[tuple[int, int, str]] = []  # heap of (turns, deadline, round); outdated entries are skipped
        self._turn = 0  # turns of the round that was woken last: a round that comes later begins with these

    @property
    def waiting(self) -> int:
        """Jobs that wait for a place."""
        return len(self._queued)

    def take(self, job_id: str, deadline_ms: int, wake: Callable[[], bool], round_key: str = "") -> bool:
        """Take a place, which a job that has one keeps. False: there is none, and `wake` is called once one is free.

        `wake` returns whether the job still wants it: one whose partition has gone must not keep the next one waiting.
        """
        if job_id in self._taken:
            return True
        if len(self._taken) < self._size:
            self._taken.add(job_id)
            return True
        if job_id not in self._queued:
            self._queued.add(job_id)
            heapq.heappush(self._rounds.setdefault(round_key, []), (deadline_ms, job_id, wake))
            self._turns.setdefault(round_key, self._turn)
            self._line_up(round_key)
        return False

    def _line_up(self, round_key: str) -> None:
        heapq.heappush(self._next, (self._turns[round_key], self._rounds[round_key][0][0], round_key))

    def release(self, job_id: str) -> None:
        """Give the place back, if the job has one, and wake the next where a place is free.

        A job that was woken and may not go after all says so here, without having taken a place, so that the next one is woken.
        """
        self._taken.discard(job_id)
        while self._next and len(self._taken) < self._size:
            turns, deadline_ms, round_key = heapq.heappop(self._next)
            waiting = self._rounds.get(round_key)
            if waiting is None or (turns, deadline_ms) != (self._turns[round_key], waiting[0][0]):
                continue
            _, job_id, wake = heapq.heappop(waiting)
            self._queued.remove(job_id)
            wanted = job_id not in self._taken and wake()
            self._turn = max(self._turn, turns)
            self._turns[round_key] += wanted
            if waiting:
                self._line_up(round_key)
            else:
                del self._rounds[round_key], self._turns[round_key]
            if wanted:
                return
