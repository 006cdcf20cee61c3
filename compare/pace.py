"""How long providers take, as recorded (docs/contract.md#recorded-workload), and how many times faster a real run is played."""

from dataclasses import dataclass
from typing import Any

# A call of one comparison: mean 1.6 s, p95 2.2 s on small models. A lognormal of this sigma has that p95.
CALL_S = 1.6
CALL_SIGMA = 0.205
# Not recorded but estimated: each further comparison of a bundle adds 35 to 104 output tokens at about 140 a second.
CALL_ITEM_S = 0.5
# Small batches took 90 s to 13 min. Evenly spread over the orders of magnitude between, their mean is 320 s.
BATCH_S = 320.0
BATCH_LEAST_S, BATCH_MOST_S = 90.0, 780.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The provider's times in unscaled seconds. A real run plays them, and the limits' minute, `scale` times faster."""

    call_s: float = CALL_S
    call_item_s: float = CALL_ITEM_S
    call_sigma: float = CALL_SIGMA
    batch_s: float = BATCH_S
    scale: float = 1.0

    def simulator(self) -> dict[str, Any]:
        """The simulator's settings, all numbers."""
        return {
            "latency_s": self.call_s / self.scale,
            "latency_item_s": self.call_item_s / self.scale,
            "latency_sigma": self.call_sigma,
            "batch_duration_s": self.batch_s / self.scale,
            "minute_s": 60.0 / self.scale,
        }
