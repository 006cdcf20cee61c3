"""Tells whoever wants to know that a partition has come, has caught up with its log, or is going."""

from collections.abc import Callable

from tables.view import PartitionView

Told = Callable[[PartitionView], object]


def _nothing(_: PartitionView) -> None:
    return None


class PartitionListener:
    """What `Views` calls for each assignment, in this order, with the partition's view. None of it may wait.

    built: the view stands as the tables have it; records are handled from here on. caught_up: both topics have been read to
    the ends that they had at the assignment. dropped: the assignment is over; this view can still be read, and nobody gets it
    any more by its partition.
    """

    def __init__(self, *, built: Told = _nothing, caught_up: Told = _nothing, dropped: Told = _nothing) -> None:
        self.built, self.caught_up, self.dropped = built, caught_up, dropped


class Listeners:
    """All listeners. They are told in the order in which they were added."""

    def __init__(self) -> None:
        self._all: list[PartitionListener] = []

    def add(self, *listeners: PartitionListener) -> None:
        """Tell these listeners too, from here on."""
        self._all += listeners

    def built(self, view: PartitionView) -> None:
        """Tell all that the view is built."""
        for listener in self._all:
            listener.built(view)

    def caught_up(self, view: PartitionView) -> None:
        """Tell all that the partition has caught up."""
        for listener in self._all:
            listener.caught_up(view)

    def dropped(self, view: PartitionView) -> None:
        """Tell all that the assignment is over."""
        for listener in self._all:
            listener.dropped(view)
