"""Label values that stay bounded, whatever requests name."""

from collections.abc import Callable
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

OTHER = "other"
M = TypeVar("M", Counter, Histogram)
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads


class BoundedValues:
    """Lets the first `limit` different values through and turns all later ones into `other`.

    Providers, models and reasons come partly from requests: without a bound a careless producer would make ever more series.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """The value, or `other`."""
        if value in self._seen:
            return value
        if len(self._seen) >= self._limit:
            return OTHER
        self._seen.add(value)
        return value


def children(metric: M) -> Callable[..., M]:
    """`metric.labels` with its results kept: each call of it costs 1.3 us, and to count an answer takes ten."""
    made: dict[tuple[str, ...], M] = {}

    def child(*values: str) -> M:
        found = made.get(values)
        if found is None:
            found = made[values] = metric.labels(*values)
        return found

    return child


class Labels:
    """The bounded values of one registry, shared by all that count in it, and the making of counters there."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.provider, self.model, self.word = BoundedValues(8), BoundedValues(50), BoundedValues(100)

    def counter(self, name: str, what: str, *labels: str) -> Counter:
        """A counter; `_total` is added to its name."""
        return Counter(name, what, labels, registry=self.registry)

    def histogram(self, name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """A histogram with these upper bounds."""
        return Histogram(name, what, labels, buckets=buckets, registry=self.registry)
