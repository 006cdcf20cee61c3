"""Views that outlive a rebalance: those of partitions that stay with this worker all the time.

Faust gives every partition up at each rebalance, those that come back to the same worker too. What such a view holds is right
as it is if nobody else has worked on the partition in between, and this worker goes on exactly where it stood. Four things must
hold, and where one does not the view is built anew from the tables:

1. The member is the same. One that was not heard of for its session, or that another process of its name has replaced, joins
   under another id.
2. The generation is the one that follows (or the same). In one that was missed the partition may have been another worker's:
   Kafka may have told everybody else of an assignment when the next rebalance began.
3. The recovery has brought no entry of the partition. What it brings was written by others: the worker's own entries are in its
   store already, and it remembers how far they reach (`AcknowledgedTable._persisted`).
4. Both topics are read on where the view stands. All that it has handled is acknowledged and committed, and nothing else is.
"""

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from tables.view import PartitionView, ReadProgress, Tables

log = structlog.get_logger("kept")


@dataclass(frozen=True, slots=True)
class Membership:
    """Who this worker was in the group when its partitions were assigned."""

    member_id: str  # empty: not known
    generation: int

    def follows(self, before: "Membership") -> bool:
        """Whether it is the same member's next assignment, with none in between that it has not seen."""
        return bool(self.member_id) and self.member_id == before.member_id and self.generation - before.generation in (0, 1)


@dataclass(frozen=True, slots=True)
class _Kept:
    view: PartitionView  # dead, and read no more
    restored: int


class KeptViews:
    """The views of the assignment before, until it is known whether they hold in this one."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: dict[int, _Kept] = {}
        self._membership = Membership("", -1)

    def keep(self, view: PartitionView) -> None:
        """The assignment is over: keep its view."""
        self._kept[view.partition] = _Kept(view, self._restored(view.partition))

    def assigned(self, partitions: Collection[int], membership: Membership) -> None:
        """Partitions are assigned: forget the views of others, and all if this worker may have missed an assignment.

        To be called for each assignment, before the tables are recovered.
        """
        follows, self._membership = membership.follows(self._membership), membership
        self._kept = {at: kept for at, kept in self._kept.items() if follows and at in partitions}

    def find(self, partition: int, inbound: ReadProgress, work: ReadProgress) -> PartitionView | None:
        """The view to go on with from these offsets; None where it must be built."""
        kept = self._kept.get(partition)
        if kept is None:
            return None
        view, restored = kept.view, self._restored(partition) - kept.restored
        if restored or not (_goes_on(view.inbound, inbound) and _goes_on(view.work, work)):
            log.info(
                "view_not_kept",
                partition=partition,
                restored=restored,
                inbound=(view.inbound.acked, view.inbound.next, inbound.next),
                work=(view.work.acked, view.work.next, work.next),
            )
            self.forget(partition)
            return None
        return view.go_on(inbound, work)

    def forget(self, partition: int) -> None:
        """The view stands again, or is of no use."""
        self._kept.pop(partition, None)

    def _restored(self, partition: int) -> int:
        return sum(table.entries_restored(partition) for table in self._tables)


def _goes_on(before: ReadProgress, now: ReadProgress) -> bool:
    """Whether a topic is read on just behind what was handled, all of which is acknowledged."""
    return before.acked == before.next == now.next
