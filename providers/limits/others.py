"""Whether other workers use a shared account: what the provider's bucket would be without them, compared with what it is."""

# The part of a limit that may seem to be missing although nobody took it: which calls an answer has counted is known only
# roughly.
_UNEXPLAINED = 0.01


class Others:
    """Finds the use of a bucket that is not this worker's own, by what answers show to remain.

    forget_s: after so many seconds, what was missing no longer counts.
    """

    def __init__(self, forget_s: float) -> None:
        self.forget_s = forget_s
        self.noticed_s = float("-inf")  # when somebody else's use was noticed last
        self.taken = 0.0  # by others since the start, as far as answers have shown
        self.forget()

    def forget(self) -> None:
        """Begin anew, for what was known of the bucket is too old."""
        self._level: float | None = None  # as if this worker were alone; None: never shown
        self._missing, self._missing_s = 0.0, 0.0
        self.seen_s = float("-inf")  # when somebody else's use was noticed, or this worker began to look

    def refill(self, amount: float, capacity: float) -> None:
        """Let the provider's bucket fill by this."""
        if self._level is not None:
            self._level = max(self._level, min(self._level + amount, capacity))

    def take(self, amount: float) -> None:
        """Note what this worker takes (negative: gives back)."""
        if self._level is not None:
            self._level -= amount

    def observe(self, lowest: float, highest: float, limit: float, now_s: float) -> None:
        """Note between what bounds the provider's bucket stands now."""
        if self._level is None:
            self._level, self.seen_s = lowest, now_s
        self._missing *= max(0.0, 1.0 - (now_s - self._missing_s) / self.forget_s)
        self._missing_s = now_s
        self._missing += max(0.0, self._level - highest)
        if self._missing > 1.0 + _UNEXPLAINED * limit:
            self.taken += self._missing
            self.seen_s = self.noticed_s = now_s
            self._missing = 0.0
        self._level = max(lowest, min(self._level, highest))
