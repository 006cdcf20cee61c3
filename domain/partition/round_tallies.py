"""How the comparisons of each round have ended so far, until none of the round is pending."""

from collections import Counter
from collections.abc import Iterable


class RoundTallies:
    """Counts by round, for rounds with pending comparisons. A round that gets a latecomer after its end is counted anew."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._codes: dict[str, Counter[str]] = {}
        self._ended: list[tuple[str, Counter[str]]] = []

    @property
    def open_count(self) -> int:
        """The rounds with pending comparisons."""
        return len(self._open)

    @property
    def open_rounds(self) -> Iterable[str]:
        """Their keys, oldest first; not to be kept beyond this turn of the event loop."""
        return self._open

    def gather(self, round_key: str) -> bool:
        """Note one more pending comparison. Returns whether it is the only one of its round."""
        self._open[round_key] += 1
        return self._open[round_key] == 1

    def end(self, round_key: str, code: str) -> bool:
        """Note that a comparison has ended: `code` is "answered" or an error code. Returns whether it was the last one."""
        codes = self._codes.setdefault(round_key, Counter())
        codes[code] += 1
        self._open[round_key] -= 1
        if self._open[round_key]:
            return False
        del self._open[round_key]
        self._ended.append((round_key, self._codes.pop(round_key)))
        return True

    def take_ended(self) -> list[tuple[str, Counter[str]]]:
        """The rounds that have ended since the last call, each with how many comparisons ended with which code."""
        taken, self._ended = self._ended, []
        return taken
