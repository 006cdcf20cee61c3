"""Records on their way from the thread that fetches them to ours: what was taken and did not arrive is read again.

aiokafka counts a record as consumed once it has given it out. Faust may not take it: a fetch that was waiting when a rebalance
began gives out records while the flow is stopped, and they are dropped; or the task that waited has been cancelled. Records of
a request topic come again by the seek to the committed offset, those of a changelog never, and the recovery waits for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container
from typing import Any

from faust.types import TP

Records = dict[TP, list[Any]]


class Wanted(Container[TP]):
    """The partitions that a fetch may give out, as they are at each moment, none being none.

    aiokafka takes an empty set for all partitions, and the set of a waiting fetch is emptied when a rebalance begins: it gave
    out the records of the changelogs, which nobody had asked for yet.
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
        """What `fetch` gives out, after what an earlier one gave out and nobody received has been put back."""
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
            if position is not None and position >= after:  # else somebody has sought elsewhere meanwhile
                consumer.seek(tp, first)


def _position(consumer: Any, tp: TP) -> int | None:
    """Where the consumer reads on; None where the partition is not ours, or that is not known yet."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
        return None
    state = subscription.assignment.state_value(tp)
    return int(state.position) if state.has_valid_position else None
