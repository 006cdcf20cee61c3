"""What is counted of paused accounts and of money that is not there; gauges are told from their state at each scrape."""

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.circuit import Trouble


class MoneyCounters:
    """Counters; accounts are those of the settings."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pauses = Counter(
            "roundbatch_account_pauses", "Times an account was paused.", ["provider", "reason"], registry=registry
        )
        self._probes = Counter(
            "roundbatch_account_probes",
            "Tries of a paused account: it answered (closed), it refused (failed), or nothing was told (unclear).",
            ["provider", "result"],
            registry=registry,
        )
        self._refused = Counter(
            "roundbatch_budget_refused", "Comparisons that ended for want of money, by setting.", registry=registry
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


class MoneyCollector(Collector):
    """Turns the status of agents.accounts.money into gauges; it holds no value between scrapes."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        self._status = status

    def describe(self) -> Iterable[Metric]:
        """The gauges' names without asking for a status: at registration there may be none yet."""
        return _families()

    def collect(self) -> Iterable[Metric]:
        """The gauges of this moment."""
        status = self._status()
        paused, waiting, day, held, unknown = families = _families()
        for account in status["accounts"]:
            for trouble in Trouble:  # zeros too: a series that vanishes would leave an alert without data
                paused.add_metric((account["account"], trouble.value), float(account["reason"] == trouble.value))
            waiting.add_metric((account["account"],), account["waiting_jobs"])
        for kind in ("limit", "share", "spent", "reserved"):
            usd = status["day"][f"{kind}_usd"]
            if usd is not None:
                day.add_metric((kind,), usd)
        held.add_metric((), status["held"]["comparisons"])
        for provider, model, known in status["prices"]["models"]:
            unknown.add_metric((provider, model), float(not known))
        return families


def _families() -> tuple[GaugeMetricFamily, ...]:
    return (
        GaugeMetricFamily(
            "roundbatch_account_paused", "Whether the account is paused, and for what.", labels=["provider", "reason"]
        ),
        GaugeMetricFamily("roundbatch_account_waiting_jobs", "Jobs that wait for a paused account.", labels=["provider"]),
        GaugeMetricFamily(
            "roundbatch_budget_day_usd",
            "The day's money: limit and this worker's share of it where a budget is set, spent, reserved for jobs under way.",
            labels=["kind"],
        ),
        GaugeMetricFamily("roundbatch_budget_held_comparisons", "Comparisons that wait for money.", labels=()),
        GaugeMetricFamily(
            "roundbatch_model_price_unknown", "Whether the price list lacks a configured model.", labels=["provider", "model"]
        ),
    )
