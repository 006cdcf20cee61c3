"""Counters of paused accounts, and of what budgets refused. The gauges of both are in `agents/status/money_gauges.py`."""

from prometheus_client import CollectorRegistry, Counter


class MoneyCounters:
    """Each method counts one thing that has happened; accounts are those of the settings."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pauses = Counter(
            "roundbatch_account_pauses", "Times an account was paused.", ["provider", "reason"], registry=registry
        )
        self._probes = Counter(
            "roundbatch_account_probes",
            "Tries of a paused account: it answered (closed), it refused (failed), or the try told nothing (unclear).",
            ["provider", "result"],
            registry=registry,
        )
        self._refused = Counter(
            "roundbatch_budget_refused", "Comparisons that ended because a budget refused their job.", registry=registry
        )

    def paused(self, account: str, reason: str) -> None:
        """An account was paused."""
        self._pauses.labels(account, reason).inc()

    def probed(self, account: str, result: str) -> None:
        """A try came to an end: closed, failed or unclear."""
        self._probes.labels(account, result).inc()

    def refused(self, comparisons: int) -> None:
        """So many comparisons end because a budget has no room for them."""
        self._refused.inc(comparisons)
