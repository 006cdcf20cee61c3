"""Paused accounts and the day's money as gauges, told at each scrape."""

from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.circuit import Trouble
from streams.wire.status.money import MoneyStatus


class MoneyCollector(Collector):
    """Turns the money's status into gauges; it holds no value between scrapes."""

    def __init__(self, status: Callable[[], MoneyStatus]) -> None:
        self._status = status

    def describe(self) -> Iterable[Metric]:
        """The gauges' names without asking for a status: at registration there may be none yet."""
        return _families()

    def collect(self) -> Iterable[Metric]:
        """The gauges of this moment."""
        status = self._status()
        paused, waiting, day, short_of_money, unknown = families = _families()
        for account in status.accounts:
            for trouble in Trouble:  # zeros too: a series that vanishes would leave an alert without data
                paused.add_metric((account.account, trouble.value), float(account.reason == trouble.value))
            waiting.add_metric((account.account,), account.waiting_jobs)
        for kind, usd in (
            ("limit", status.day.limit_usd),
            ("share", status.day.share_usd),
            ("spent", status.day.spent_usd),
            ("reserved", status.day.reserved_usd),
        ):
            if usd is not None:
                day.add_metric((kind,), usd)
        short_of_money.add_metric((), status.held.comparisons)
        for provider, model, known in status.prices.models:
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
