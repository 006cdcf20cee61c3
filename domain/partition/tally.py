"""How many things are in each group, and since when the oldest is: kept up as things come and go, never by walking them."""

import heapq
from collections.abc import Container, Hashable, Iterator
from typing import Generic, TypeVar

G = TypeVar("G", bound=Hashable)
K = TypeVar("K", bound=Hashable)


class Tally(Generic[G, K]):
    """Keys in groups, each key with a time in ms. It is asked at each scrape: walking 100,000 waiting comparisons took 60 ms.

    The oldest key of a group is the head of a heap. Keys that have left stay in the heap until they come to its head; where
    they are most of it the heap is made anew, so that it never holds much more than twice the keys of the group.
    """

    def __init__(self) -> None:
        self._groups: dict[G, _Group[K]] = {}

    def enter(self, group: G, key: K, since_ms: int) -> None:
        """Put a key into a group, or give a key that is there another time."""
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
        """The keys of a group, in the order in which they came."""
        found = self._groups.get(group)
        return () if found is None else tuple(found.since_ms)

    def oldest_ms(self, group: G, without: Container[K] = ()) -> int | None:
        """The earliest time in a group, not counting the few keys in `without`; None where no other key is there."""
        found = self._groups.get(group)
        return None if found is None else found.oldest_ms(without)


class _Group(Generic[K]):
    __slots__ = ("_heap", "_number", "since_ms")
    _SPARE = 64

    def __init__(self) -> None:
        self.since_ms: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._number = 0  # decides between entries of the same time, so that keys need not be comparable

    def add(self, key: K, since_ms: int) -> None:
        self.since_ms[key] = since_ms
        self._number += 1
        heapq.heappush(self._heap, (since_ms, self._number, key))

    def remove(self, key: K) -> bool:
        """Take a key out. Returns whether the group still holds another."""
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
