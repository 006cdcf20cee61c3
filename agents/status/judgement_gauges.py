"""What is known of the judges, and done about them, as gauges told at each scrape."""

from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.metrics.labels import Labels
from domain.partition.corrections import Corrections


class LimitedBundlesCollector(Collector):
    """The limits on bundles that records have set in the partitions held here."""

    def __init__(self, corrections: Callable[[], Iterable[Corrections]], labels: Labels) -> None:
        self._corrections, self._labels = corrections, labels

    def describe(self) -> Iterable[Metric]:
        """The name, without asking."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """By model the tightest limit of any partition; 0 where it was lifted."""
        found: dict[tuple[str, str], int] = {}
        for one in (one for of_partition in self._corrections() for one in of_partition.limits()):
            key = self._labels.provider(one.provider), self._labels.model(one.model)
            limits = [most for most in (one.most, found.get(key)) if most]
            found[key] = min(limits, default=0)
        family = self._family()
        for key, most in sorted(found.items()):
            family.add_metric(key, most)
        return [family]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "roundbatch_bundle_limit",
            "At most so many comparisons of the model go into one line, by roundbatch quality limit or ON_ALARM; 0: lifted.",
            labels=["provider", "model"],
        )
