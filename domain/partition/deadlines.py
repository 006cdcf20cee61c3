"""When the comparisons that wait are to be answered at the latest: one entry for a record and each deadline in it."""

import heapq
from collections.abc import Callable, Iterable, Iterator

from domain.cutting import Pending

_SPARE = 1_000

Entry = tuple[int, int]  # deadline, inbound offset
Find = Callable[[int], Iterator[Pending]]  # those of a record that are pending, in order


class Deadlines:
    """The earliest comes first. An entry stays until nothing of its record that has this deadline is pending any more."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._heap: list[Entry] = []

    def note(self, offset: int, deadlines_ms: Iterable[int]) -> None:
        """A record's comparisons have these deadlines."""
        for deadline_ms in deadlines_ms:
            heapq.heappush(self._heap, (deadline_ms, offset))

    def passed(self, now_ms: int, most: int) -> tuple[Pending, ...]:
        """What is pending and due by now, earliest first, at most `most`; each time anew until it has ended."""
        found: list[Pending] = []
        kept: list[Entry] = []
        while self._heap and self._heap[0][0] <= now_ms and len(found) < most:
            entry = heapq.heappop(self._heap)
            due = list(self._of(entry))
            if due:
                kept.append(entry)
                found += due[: most - len(found)]
        for entry in kept:
            heapq.heappush(self._heap, entry)
        return tuple(found)

    def nearest_ms(self) -> int | None:
        """The earliest deadline of something that is pending."""
        while self._heap and next(self._of(self._heap[0]), None) is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def shrink(self, records: int, pending: Iterable[Pending]) -> None:
        """Make the entries anew where most of them are of what has ended; `records` have something that is pending."""
        if len(self._heap) > 2 * records + _SPARE:
            self._heap = list({(one.resolved.deadline_ms, one.member.offset) for one in pending})
            heapq.heapify(self._heap)

    def __len__(self) -> int:
        """The number of entries, some of them of what has ended."""
        return len(self._heap)

    def _of(self, entry: Entry) -> Iterator[Pending]:
        return (one for one in self._find(entry[1]) if one.resolved.deadline_ms == entry[0])
