"""How many things stand in each group, and since when the oldest does: kept up as they come and go, never by walking them."""

import heapq
from collections.abc import Container, Hashable, Iterator
from typing import Generic, TypeVar

G = TypeVar("G", bound=Hashable)
K = TypeVar("K", bound=Hashable)


class Tally(Generic[G, K]):
    """Keys in groups, each with a time in ms. A scrape asks it while 100,000 comparisons wait: walking them took 60 ms.

    The oldest of a group is the head of a heap from which keys that have left are taken lazily; it is made anew when most of
    it is such keys, so that it never holds more than twice the group.
    """

    def __init__(self) -> None:
        self._groups: dict[G, _Group[K]] = {}

    def enter(self, group: G, key: K, since_ms: int) -> None:
        """Put a key into a group, or give the one that is there another time."""
        self._groups.setdefault(group, _Group()).add(key, since_ms)

    def leave(self, group: G, key: K) -> None:
        """Take a key out; one that is not there is no error. An empty group is forgotten."""
        found = self._groups.get(group)
        if found is not None and not found.remove(key):
            del self._groups[group]

    def __iter__(self) -> Iterator[G]:
        """The groups that hold a key."""
        return iter(self._groups)

    def count(self, group: G) -> int:
        """The number of keys of a group."""
        found = self._groups.get(group)
        return 0 if found is None else len(found.since_ms)

    def keys(self, group: G) -> tuple[K, ...]:
        """The keys of a group, in the order of their coming."""
        found = self._groups.get(group)
        return () if found is None else tuple(found.since_ms)

    def oldest_ms(self, group: G, without: Container[K] = ()) -> int | None:
        """The earliest time in a group, these few keys left out; None where there is none."""
        found = self._groups.get(group)
        return None if found is None else found.oldest_ms(without)


class _Group(Generic[K]):
    __slots__ = ("_heap", "_number", "since_ms")
    _SPARE = 64

    def __init__(self) -> None:
        self.since_ms: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._number = 0  # two keys of one time are not compared: they need not be comparable

    def add(self, key: K, since_ms: int) -> None:
        self.since_ms[key] = since_ms
        self._number += 1
        heapq.heappush(self._heap, (since_ms, self._number, key))

    def remove(self, key: K) -> bool:
        """Returns whether the group holds any other."""
        self.since_ms.pop(key, None)
        if len(self._heap) > 2 * len(self.since_ms) + self._SPARE:
            self._heap = [(since_ms, number, key) for number, (key, since_ms) in enumerate(self.since_ms.items())]
            heapq.heapify(self._heap)
            self._number = len(self._heap)
        return bool(self.since_ms)

    def oldest_ms(self, without: Container[K]) -> int | None:
        left_out: list[tuple[int, int, K]] = []
        oldest: int | None = None
        while self._heap and oldest is None:
            since_ms, _, key = self._heap[0]
            if self.since_ms.get(key) != since_ms:
                heapq.heappop(self._heap)
            elif key in without:
                left_out.append(heapq.heappop(self._heap))
            else:
                oldest = since_ms
        for entry in left_out:
            heapq.heappush(self._heap, entry)
        return oldest
