"""How much of an upper bound calls really take: a high quantile of the last ones."""

import bisect
from collections import deque

_KEPT = 256
_QUANTILE = 0.99
_MARGIN = 0.02
_FEW_MARGIN = 0.3  # divided by their number: one sample is trusted to 32 %, ten to 5 %


class Calibration:
    """Factor from bound to estimate: 1 until a call has come back, then what 99 % of the last 256 stayed below, and 2 %."""

    def __init__(self) -> None:
        self._last: deque[float] = deque()
        self._sorted: list[float] = []

    @property
    def factor(self) -> float:
        """What a bound is multiplied with. Above 1 only when a call has exceeded its bound."""
        count = len(self._sorted)
        if not count:
            return 1.0
        quantile = self._sorted[min(count - 1, int(_QUANTILE * count))]
        return max(quantile, min(1.0, quantile * (1.0 + _MARGIN + _FEW_MARGIN / count)))

    def note(self, actual: float, bound: float) -> None:
        """Note what a call took of its bound."""
        if bound <= 0:
            return
        ratio = actual / bound
        if len(self._last) == _KEPT:
            self._sorted.pop(bisect.bisect_left(self._sorted, self._last.popleft()))
        self._last.append(ratio)
        bisect.insort(self._sorted, ratio)
