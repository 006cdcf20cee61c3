"""What waits in this worker, told from the view at each scrape: so the gauges are right after a restart too."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

JOB_STATES = ("planned", "claimed", "submitted", "unknown", "held")


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The queue of this worker's partitions at one moment.

    pending: comparisons without an outcome, by (provider, strategy). jobs: open jobs, by (provider, state of JOB_STATES).
    oldest_pending_s: seconds since the append time of the oldest pending comparison's record, 0 where none is pending.
    pending_bytes: what their requests take in the tables, as `max_pending_bytes` counts it.
    """

    pending: Mapping[tuple[str, str], int] = field(default_factory=dict)
    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    oldest_pending_s: float = 0.0
    pending_bytes: int = 0
    partitions_assigned: int = 0
    partitions_caught_up: int = 0
    partitions_paused: int = 0


class QueueCollector(Collector):
    """Turns a snapshot into gauges; it holds no value between scrapes."""

    def __init__(self, snapshot: Callable[[], QueueSnapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """The gauges' names without asking for a snapshot: at registration the view may not be there yet."""
        return _families(QueueSnapshot())

    def collect(self) -> Iterable[Metric]:
        """The gauges of this moment."""
        return _families(self._snapshot())


def _families(queue: QueueSnapshot) -> list[Metric]:
    pending = GaugeMetricFamily(
        "roundbatch_pending_comparisons", "Comparisons without an outcome.", labels=["provider", "strategy"]
    )
    for labels, count in sorted(queue.pending.items()):
        pending.add_metric(labels, count)
    jobs = GaugeMetricFamily("roundbatch_jobs", "Open jobs by state.", labels=["provider", "state"])
    # Zeros for all states of a provider that has any: a series that vanishes would leave an alert without data.
    for provider in sorted({provider for provider, _ in queue.jobs}):
        for state in JOB_STATES:
            jobs.add_metric((provider, state), queue.jobs.get((provider, state), 0))
    single = [
        ("llm_provider_queue_depth", "Comparisons without an outcome, all together.", sum(queue.pending.values())),
        ("roundbatch_oldest_pending_seconds", "Age of the oldest comparison without an outcome.", queue.oldest_pending_s),
        ("roundbatch_pending_bytes", "Requests that are not finished, in the tables.", queue.pending_bytes),
        ("roundbatch_partitions_assigned", "Partitions of this worker.", queue.partitions_assigned),
        (
            "roundbatch_partitions_caught_up",
            "Those that have read to where they ended at assignment.",
            queue.partitions_caught_up,
        ),
        ("roundbatch_partitions_paused", "Those whose intake is paused, for too much is pending.", queue.partitions_paused),
    ]
    return [pending, jobs, *(GaugeMetricFamily(name, what, value=value) for name, what, value in single)]
