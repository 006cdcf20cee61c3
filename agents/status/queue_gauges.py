"""What waits in this worker as gauges, asked at each scrape."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.status.queue_snapshot import QueueSnapshot
from domain.strategies import STRATEGIES
from streams.wire.status.queue import JOB_STATES, WINDOW


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
    # Zeros for every group that may be there: a series that vanishes would leave an alert without data.
    strategies = [(name,) for name in STRATEGIES]
    states = [(provider, state) for provider in _providers(queue) for state in JOB_STATES]
    pending = [(provider, name) for provider in _providers(queue) for name in STRATEGIES]
    return [
        _gauges(
            "roundbatch_pending_comparisons",
            "Comparisons without an outcome.",
            *(("provider", "strategy"), pending, queue.pending.items()),
        ),
        _gauges("roundbatch_windows", "Open windows.", ("strategy",), strategies, _one(queue.windows)),
        _gauges(
            "roundbatch_oldest_window_seconds",
            "Since the append time of the earliest request of the oldest open window.",
            *(("strategy",), strategies, _one(queue.oldest_window_s)),
        ),
        _gauges("roundbatch_jobs", "Open jobs by state.", ("provider", "state"), states, queue.jobs.items()),
        _gauges(
            "roundbatch_oldest_job_seconds",
            "How long the job that entered this state first has been in it.",
            *(("provider", "state"), states, queue.oldest_job_s.items()),
        ),
        _gauges(
            "roundbatch_oldest_comparison_seconds",
            "Age of the oldest comparison by the state of its job; window: it has no job yet.",
            *(("state",), [(state,) for state in (WINDOW, *JOB_STATES)], _one(queue.oldest_comparison_s)),
        ),
        _gauges(
            "roundbatch_consumer_lag_records",
            "Records of this worker's partitions that are not acknowledged: of the request topic, of the work topic.",
            *(("topic",), [("request",), ("work",)], _one(queue.lag)),
        ),
        *(GaugeMetricFamily(name, what, value=value) for name, what, value in _single(queue)),
    ]


def _single(queue: QueueSnapshot) -> list[tuple[str, str, float]]:
    return [
        ("llm_provider_queue_depth", "Comparisons without an outcome, all together.", sum(queue.pending.values())),
        ("roundbatch_gathering_comparisons", "Comparisons in open windows.", queue.gathering),
        ("roundbatch_oldest_pending_seconds", "Age of the oldest comparison without an outcome.", queue.oldest_pending_s),
        (
            "roundbatch_nearest_deadline_seconds",
            "Until the earliest deadline of a comparison without an outcome; +Inf without any.",
            queue.nearest_deadline_s,
        ),
        ("roundbatch_pending_bytes", "Bytes of the requests in the tables that are not finished.", queue.pending_bytes),
        ("roundbatch_known_ids", "Correlation ids that are remembered, so that duplicates are recognised.", queue.known_ids),
        ("roundbatch_partitions_assigned", "Partitions of this worker.", queue.partitions_assigned),
        (
            "roundbatch_partitions_caught_up",
            "Partitions of this worker that have been read to where they ended at their assignment.",
            queue.partitions_caught_up,
        ),
        (
            "roundbatch_partitions_paused",
            "Partitions of this worker whose intake is paused because too much is pending.",
            queue.partitions_paused,
        ),
    ]


def _gauges(
    name: str,
    what: str,
    labels: tuple[str, ...],
    expected: Iterable[tuple[str, ...]],
    values: Iterable[tuple[tuple[str, ...], float]],
) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    found: dict[tuple[str, ...], float] = dict.fromkeys(expected, 0.0) | dict(values)
    for group, value in sorted(found.items()):
        family.add_metric(group, value)
    return family


def _one(values: Mapping[str, float]) -> list[tuple[tuple[str, ...], float]]:
    return [((name,), value) for name, value in values.items()]


def _providers(queue: QueueSnapshot) -> list[str]:
    return sorted({*queue.providers, *(provider for provider, _ in queue.pending), *(provider for provider, _ in queue.jobs)})
