"""What audits have found in this worker's partitions, as gauges read at each scrape: sums over workers and restarts hold."""

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.metrics.labels import Labels
from domain.auditing import DAY_MS, AuditBook, Complete, measured


class AuditCollector(Collector):
    """Asks the books of all partitions at each scrape: some hundred numbers a book, however much was audited."""

    def __init__(self, books: Callable[[], Iterable[AuditBook]], now_ms: Callable[[], int], labels: Labels) -> None:
        self._books, self._now_ms, self._labels = books, now_ms, labels

    def describe(self) -> Iterable[Metric]:
        """The names, without asking the books."""
        return _families({}, {})

    def collect(self) -> Iterable[Metric]:
        """What is known now."""
        audits: dict[tuple[str, str, str, str], Counter[Complete]] = {}
        missing: Counter[tuple[str, str, str, str]] = Counter()
        today = self._now_ms() // DAY_MS
        for book in self._books():
            for cell, found in book.by_cell():
                of = (self._labels.provider(cell.provider), self._labels.model(cell.model), cell.bundle, cell.layout)
                audits.setdefault(of, Counter()).update(found)
            for (cell, cause), number in book.missing(today).items():
                of_cause = self._labels.word(cause)
                missing[self._labels.provider(cell.provider), self._labels.model(cell.model), cell.bundle, of_cause] += number
        return _families(audits, missing)


def _families(
    audits: dict[tuple[str, str, str, str], Counter[Complete]], missing: dict[tuple[str, str, str, str], int]
) -> list[Metric]:
    counts = GaugeMetricFamily(
        "roundbatch_audit_counts",
        "Complete audits by the value of each measure, within AUDIT__KEEP_DAYS.",
        labels=["provider", "model", "bundle", "layout", "test", "value"],
    )
    for of, found in sorted(audits.items()):
        for test, values in measured(found, of[2]).items():
            for value, number in sorted(values.items()):
                counts.add_metric((*of, test, f"{value:g}"), number)
    lost = GaugeMetricFamily(
        "roundbatch_audit_missing",
        "Audits that were planned and will not be complete, within AUDIT__KEEP_DAYS.",
        labels=["provider", "model", "bundle", "cause"],
    )
    for of, number in sorted(missing.items()):
        lost.add_metric(of, number)
    return [counts, lost]
