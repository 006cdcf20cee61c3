"""The heartbeats as a gauge."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.liveness.heartbeats import Heartbeats


class LoopCollector(Collector):
    """Told at each scrape; a scrape that is answered says that the event loop turns."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats

    def collect(self) -> Iterable[Metric]:
        """Seconds of silence by loop."""
        family = GaugeMetricFamily(
            "roundbatch_loop_silent_seconds", "Since a loop that is at work gave a sign of life; 0 at rest.", labels=["loop"]
        )
        for name, heartbeat in sorted(self._heartbeats, key=lambda one: one[0]):
            family.add_metric((name,), heartbeat.silent_s)
        return [family]
