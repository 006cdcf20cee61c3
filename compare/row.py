"""One row of build/compare.json."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one workload. Seconds are unscaled ones, USD as the worker's price list says.

    simulated: True for the model's row; False for a real worker, Kafka and HTTP, played `scale` times faster than the seconds.
    ideal_s: see compare.ideal. throttled_s: seconds in which at least one call waited because of a limit or a pause.
    p50_s, p95_s: of the comparisons, from the sending of their round to their result.
    least_s, most_s: the makespan where batches take the least and the most time that was recorded; without batches, the
    makespan itself.
    """

    strategy: str
    provider: str
    account: str
    workload: str
    bundle_size: int
    layout: str
    simulated: bool
    comparisons: int
    answered: int
    makespan_s: float
    ideal_s: float
    http_operations: int
    calls_429: int
    throttled_s: float
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float
    p50_s: float
    p95_s: float
    rank_correlation: float
    least_s: float
    most_s: float
    scale: float = 1.0

    @property
    def key(self) -> tuple[str, ...]:
        """What a real row and the model's row of the same case have in common."""
        return (self.strategy, self.provider, self.account, self.workload, str(self.bundle_size), self.layout)


def percentile(seconds: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of them do not exceed; 0 for none."""
    if len(seconds) < 2:
        return seconds[0] if seconds else 0.0
    return statistics.quantiles(seconds, n=100, method="inclusive")[round(share * 100) - 1]
