"""How much the tables take on this machine."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tables.view import Tables


class StateCollector(Collector):
    """Asks RocksDB at each scrape, which knows without looking at its files."""

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
            "roundbatch_state_bytes", "The tables' local store: files, and what is not in them yet.", labels=["table"]
        )
