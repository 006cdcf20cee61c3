"""Metrics of what came back from providers and is paid for, in tokens and USD."""

from agents.metrics.labels import Labels, children
from domain.reply import Usage
from providers.prices import Bill


class PaidMetrics:
    """Counts every answer that was read, usable or not: all are paid. One read again after a crash counts again."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._tokens = children(
            labels.counter(
                "roundbatch_tokens",
                "Tokens by direction; cached: read (from a prompt cache), written (to it), or no.",
                *("provider", "model", "direction", "cached"),
            )
        )
        self._cost = children(
            labels.counter(
                "roundbatch_cost_usd",
                "What answers cost, by what the provider says or by their prices.",
                *("provider", "model", "mode"),
            )
        )
        self._saved = children(
            labels.counter(
                "roundbatch_cost_saved_usd",
                "What the same tokens would have cost more in calls (by=batch), and uncached (by=cache; 0 where that is less).",
                *("provider", "model", "by"),
            )
        )

        self._lost = labels.counter(
            "roundbatch_results_lost",
            "Comparisons of a batch that were paid for and whose results the provider does not give.",
            "provider",
        )
        self._lost_usd = labels.counter(
            "roundbatch_results_lost_usd", "What the comparisons of lost results cost at most; booked as spent.", "provider"
        )

        self._untold = labels.counter(
            "roundbatch_batch_cost_unknown",
            "Comparisons of batches that ended without rows, or failed, where nobody tells what they cost until then.",
            "provider",
        )

    def expect(self, provider: str) -> None:
        """Begin at 0 the series whose increase an alert watches; `provider` as Labels.provider gives it."""
        self._lost.labels(provider)
        self._untold.labels(provider)

    def untold(self, provider: str, comparisons: int) -> None:
        """A batch of so many comparisons is over, and may have cost something that no answer tells."""
        self._untold.labels(self._labels.provider(provider)).inc(comparisons)

    def lost(self, provider: str, comparisons: int, usd: float) -> None:
        """So many comparisons were paid for in vain."""
        provider = self._labels.provider(provider)
        self._lost.labels(provider).inc(comparisons)
        self._lost_usd.labels(provider).inc(usd)

    def tokens(self, provider: str, model: str, usage: Usage) -> None:
        """An answer used so many tokens."""
        provider, model = self._labels.provider(provider), self._labels.model(model)
        cached = usage.cache_read_tokens + usage.cache_creation_tokens
        for direction, kind, count in (
            ("input", "no", max(0, usage.prompt_tokens - cached)),
            ("input", "read", usage.cache_read_tokens),
            ("input", "written", usage.cache_creation_tokens),
            ("output", "no", usage.completion_tokens),
        ):
            if count or kind == "no":
                self._tokens(provider, model, direction, kind).inc(count)

    def cost(self, provider: str, model: str, mode: str, bill: Bill) -> None:
        """An answer cost so much; mode as on the wire."""
        provider, model = self._labels.provider(provider), self._labels.model(model)
        self._cost(provider, model, self._labels.word(mode)).inc(bill.usd)
        self._saved(provider, model, "batch").inc(bill.saved_by_batch)
        self._saved(provider, model, "cache").inc(bill.saved_by_cache)
