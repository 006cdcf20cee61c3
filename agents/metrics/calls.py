"""Metrics of synchronous calls, and of bundles in calls and in batch jobs."""

from agents.metrics.buckets import BUNDLE_ITEMS, CALL_SECONDS
from agents.metrics.labels import Labels


class CallMetrics:
    """Each method counts one thing that has happened; mode as on the wire."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._seconds = labels.histogram(
            "roundbatch_provider_call_seconds",
            "From a call's request to its answer or failure, without its wait for the limiter.",
            CALL_SECONDS,
            *("provider", "model", "mode"),
        )
        self._bundles = labels.counter(
            "llm_provider_serial_bundle_calls",
            "Calls of more than one comparison by how they ended.",
            "provider",
            "model",
            "status",
        )
        self._bundle_items = labels.histogram(
            "llm_provider_serial_bundle_items_per_call",
            "Comparisons per bundle: in calls, and in the lines of batch jobs.",
            BUNDLE_ITEMS,
            *("provider", "mode"),
        )
        self._item_failures = labels.counter(
            "roundbatch_bundle_item_failures",
            "Comparisons that a bundle's answer did not answer, by cause; they are asked again, or end.",
            *("provider", "mode", "cause"),
        )

    def called(self, provider: str, model: str, mode: str, seconds: float) -> None:
        """A call was answered, or failed, so long after its request."""
        provider = self._labels.provider(provider)
        self._seconds.labels(provider, self._labels.model(model), self._labels.word(mode)).observe(max(0.0, seconds))

    def bundle(self, provider: str, model: str, mode: str, items: int, failures: "list[str]") -> None:
        """A bundle of so many comparisons was answered; `failures` holds the cause for each that has no answer."""
        provider, mode = self._labels.provider(provider), self._labels.word(mode)
        if mode == "serial_bundle":
            status = "answered" if not failures else "failed" if len(failures) == items else "partly_answered"
            self._bundles.labels(provider, self._labels.model(model), status).inc()
        self._bundle_items.labels(provider, mode).observe(items)
        for cause in failures:
            self._item_failures.labels(provider, mode, self._labels.word(cause)).inc()
