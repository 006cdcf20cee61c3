"""The order in which waiting calls are let go: fair between rounds, whatever each has waiting."""

import heapq
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class _Round(Generic[T]):
    def __init__(self, key: tuple[str, str], start: float) -> None:
        self.key, self.start = key, start
        self.waiting: deque[tuple[T, float]] = deque()


class FairQueue(Generic[T]):
    """Start-time fair queueing: each round has a number that grows by the cost of what it was granted; the lowest is next.

    So a round of 12 that comes while 2,000 wait is let go call for call in turn with them. Each model has a queue of its
    rounds, since all calls of a model wait for the same limits. A new round begins where its model's rounds are, which may have
    stood still for long while those of other models went on.
    """

    def __init__(self) -> None:
        self._queues: dict[str, list[tuple[float, int, _Round[T]]]] = {}  # by model: heaps
        self._rounds: dict[tuple[str, str], _Round[T]] = {}
        self._finish: dict[tuple[str, str], float] = {}  # of rounds that have nothing waiting, while it lies ahead
        self._most_finished = 64
        self._now = 0.0  # of the model that is furthest
        self._now_of: dict[str, float] = {}  # of the models for which something waits
        self._sequence = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, model: str, round_key: str, item: T, cost: float) -> None:
        """Put an item at the end of its round."""
        key = (model, round_key)
        round_ = self._rounds.get(key)
        if round_ is None:
            round_ = self._rounds[key] = _Round(key, max(self._now_of.setdefault(model, self._now), self._finish.pop(key, 0.0)))
            self._enter(round_)
        round_.waiting.append((item, cost))
        self._size += 1

    def _enter(self, round_: _Round[T]) -> None:
        self._sequence += 1
        heapq.heappush(self._queues.setdefault(round_.key[0], []), (round_.start, self._sequence, round_))

    def models(self) -> list[str]:
        """The models for which something waits, the one with the lowest number first."""
        return [model for model, _ in sorted(self._queues.items(), key=lambda queue: queue[1][0][:2])]

    def head(self, model: str) -> T:
        """What is next for a model that has something waiting."""
        return self._queues[model][0][2].waiting[0][0]

    def pop(self, model: str) -> T:
        """Take what is next for a model."""
        rounds = len(self._queues[model])
        start, _, round_ = heapq.heappop(self._queues[model])
        item, cost = round_.waiting.popleft()
        self._size -= 1
        # By what each of the rounds that wait has been granted on average. By `start` alone it stood still while rounds of one
        # call came and went: all of them were remembered, and went before a large round for as long as they came.
        now = self._now_of[model] = max(self._now_of[model] + cost / rounds, start)
        self._now = max(self._now, now)
        round_.start = start + cost
        if round_.waiting:
            self._enter(round_)
        else:
            self._leave(round_)
        return item

    def remove(self, model: str, round_key: str, item: T) -> bool:
        """Take an item out of its round, wherever it stands; False when it is not there."""
        round_ = self._rounds.get((model, round_key))
        place = next((place for place, (other, _) in enumerate(round_.waiting) if other is item), None) if round_ else None
        if round_ is None or place is None:
            return False
        del round_.waiting[place]
        self._size -= 1
        if not round_.waiting:
            queue = self._queues[model]
            queue[:] = [entry for entry in queue if entry[2] is not round_]
            heapq.heapify(queue)
            self._leave(round_)
        return True

    def _leave(self, round_: _Round[T]) -> None:
        model = round_.key[0]
        del self._rounds[round_.key]
        if not self._queues[model]:
            del self._queues[model], self._now_of[model]
        if not self._rounds:
            self._finish.clear()  # nothing waits, so nobody was before anybody
            return
        self._finish[round_.key] = round_.start
        if len(self._finish) > self._most_finished:
            ahead = ((key, finish) for key, finish in self._finish.items() if finish > self._now_of.get(key[0], self._now))
            self._finish = dict(ahead)
            self._most_finished = 2 * len(self._finish) + 64
