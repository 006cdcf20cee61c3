"""The process as gauges: its loops' signs of life, its fail-stops, the size of its tables."""

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.liveness.failstop_count import FailStops
from agents.liveness.heartbeats import Heartbeats
from tables.view import Tables


class LoopCollector(Collector):
    """Read at each scrape; that a scrape is answered at all shows that the event loop runs."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats

    def collect(self) -> Iterable[Metric]:
        """Seconds of silence by loop."""
        family = GaugeMetricFamily(
            "roundbatch_loop_silent_seconds",
            "Seconds since a loop that is at work gave a sign of life; 0 at rest.",
            labels=["loop"],
        )
        for name, heartbeat in sorted(self._heartbeats, key=lambda one: one[0]):
            family.add_metric((name,), heartbeat.silent_s)
        return [family]


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
            "Latest fail-stops, each within 10 minutes of a start; topic and partition of the record that led to the last.",
            labels=["topic", "partition"],
        )
        row.add_metric(where, found.in_a_row)
        yield row
        offset = GaugeMetricFamily(
            "roundbatch_failstop_record_offset",
            "The offset of the record that led to the last fail-stop.",
            labels=["topic", "partition"],
        )
        if found.place is not None:
            offset.add_metric(where, found.place.offset)
        yield offset


class StateCollector(Collector):
    """Asks RocksDB at each scrape, which knows the answer without a look at its files."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def describe(self) -> Iterable[Metric]:
        """The name, without asking."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """Bytes by table, of all partitions held here."""
        family = self._family()
        for name in ("rounds", "requests", "jobs", "outcomes"):
            family.add_metric((name,), getattr(self._tables, name).stored_bytes())
        return [family]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "roundbatch_state_bytes", "Size of a table's local store: its files, and what is not in them yet.", labels=["table"]
        )
