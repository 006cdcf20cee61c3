"""Waits that grow: between polls, retries, tries of a paused account, and refusals."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds of the first wait, and of the longest; each is `factor` times the one before."""

    first_s: float
    most_s: float
    factor: float = 2.0

    def wait_s(self, before: int) -> float:
        """The wait after so many waits before it (0: the first)."""
        return float(min(self.first_s * self.factor ** min(before, 64), self.most_s))
