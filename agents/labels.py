"""Label values that stay bounded, whatever requests name."""

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

OTHER = "other"
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads


class BoundedValues:
    """Lets the first `limit` different values through and turns all later ones into `other`.

    Providers, models and reasons come partly from requests: without a bound a careless producer would make a series each.
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
