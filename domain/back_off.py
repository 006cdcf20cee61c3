"""Waits that grow: between polls, between retries, between tries of a paused account, after refusals."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds of the first wait and of the longest; each wait is `factor` times the one before."""

    first_s: float
    most_s: float
    factor: float = 2.0

    def wait_s(self, before: int) -> float:
        """The next wait, when there were so many before it (0: this is the first)."""
        return float(min(self.first_s * self.factor ** min(before, 64), self.most_s))
