"""Records on their way from the thread that fetches them to ours: what was given out and did not arrive is fetched again.

aiokafka counts a record as consumed once it has given it out, but it may not arrive: a fetch that was waiting when a rebalance
began gives out its records while Faust's flow is stopped, and Faust drops them; or the task that waited for them was cancelled.
Records of a request topic come again when Faust seeks to the committed offset. Those of a changelog would never come again, and
the recovery of their table would wait for them for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container
from typing import Any

from faust.types import TP

Records = dict[TP, list[Any]]


class Wanted(Container[TP]):
    """The partitions that a fetch may give out, as they are at each moment. Where there are none, it gives out none.

    aiokafka takes an empty set to mean all partitions. When a rebalance begins, the set of a fetch that waits is emptied: it
    then gave out records of the changelogs, which nobody had asked for yet.
    """

    def __init__(self, partitions: Container[TP]) -> None:
        self._partitions = partitions

    def __contains__(self, tp: object) -> bool:
        return tp in self._partitions

    def __bool__(self) -> bool:
        return True


class Handover:
    """One fetch at a time, in the thread of aiokafka's consumer."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._taken: dict[TP, tuple[int, int]] = {}

    async def fetch(self, consumer: Any, wanted: Container[TP], fetch: Callable[[Wanted], Awaitable[Records]]) -> Records:
        """What `fetch` gives out; before it, what the fetch before gave out and nobody received is put back."""
        async with self._lock:
            self._put_back(consumer)
            records = await fetch(Wanted(wanted))
            self._taken = {tp: (rows[0].offset, _position(consumer, tp) or rows[-1].offset + 1) for tp, rows in records.items()}
            return records

    def received(self) -> None:
        """Say, from whichever thread, that the last fetch's records are delivered."""
        self._taken = {}

    def _put_back(self, consumer: Any) -> None:
        taken, self._taken = self._taken, {}
        for tp, (first, after) in taken.items():
            position = _position(consumer, tp)
            if position is not None and position >= after:  # otherwise somebody has sought to another offset since
                consumer.seek(tp, first)


def _position(consumer: Any, tp: TP) -> int | None:
    """The offset at which the consumer reads on; None where the partition is not ours, or the offset is not known yet."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
        return None
    state = subscription.assignment.state_value(tp)
    return int(state.position) if state.has_valid_position else None
