"""Fail-stops as metrics. The record is named by topic and partition, which are bounded, and by a value: its offset."""

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.liveness.failstop_count import FailStops


class FailStopCollector(Collector):
    """Counts that outlive the process."""

    def __init__(self, read: Callable[[], FailStops]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Read anew at each scrape: the file is small."""
        found = self._read()
        yield CounterMetricFamily(
            "roundbatch_failstops", "Times this worker stopped itself at once (exit 70).", value=found.count
        )
        where = ("", "") if found.place is None else (found.place.topic, str(found.place.partition))
        row = GaugeMetricFamily(
            "roundbatch_failstops_in_a_row",
            "Fail-stops each within 10 minutes of its start, at the record of this topic and partition if at one.",
            labels=["topic", "partition"],
        )
        row.add_metric(where, found.in_a_row)
        yield row
        offset = GaugeMetricFamily(
            "roundbatch_failstop_record_offset", "The offset of that record.", labels=["topic", "partition"]
        )
        if found.place is not None:
            offset.add_metric(where, found.place.offset)
        yield offset
