"""How far each round has come: held while something of it is pending, and for a while longer."""

from collections import OrderedDict

from domain.closing import Progress
from domain.partition.history import History

_ENDED_KEPT = 1_000  # rounds of which nothing is pending; about 300 B each


class RoundProgress:
    """The progress of rounds. One that is not held is made from the history: few small rows, none for a new round."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._open: dict[str, Progress] = {}
        self._ended: OrderedDict[str, Progress] = OrderedDict()

    def held(self, round_key: str) -> Progress | None:
        """The progress of a round in memory, as that of every round with something pending is."""
        return self._open.get(round_key) or self._ended.get(round_key)

    def of(self, round_key: str, before: int) -> Progress:
        """What records before this offset brought. One in memory has learned them all: records are read in order."""
        progress = self._open.get(round_key)
        if progress is not None:
            return progress
        progress = self._ended.get(round_key)
        if progress is None:
            progress = self._ended[round_key] = Progress.of(self._history.brought(round_key, before))
            if len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)
        else:
            self._ended.move_to_end(round_key)
        return progress

    def hold(self, round_key: str) -> None:
        """Something of a round is pending: keep its progress in memory. It must have been asked for just before."""
        self._open[round_key] = self._ended.pop(round_key)

    def release(self, round_key: str) -> None:
        """Nothing of a round is pending any more."""
        self._ended[round_key] = self._open.pop(round_key)
        if len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)
