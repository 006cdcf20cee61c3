"""The worker's metrics. Labels never carry ids, and hold a bounded number of values."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.queue_metrics import QueueCollector, QueueSnapshot

OTHER = "other"

_MINUTE, _HOUR = 60.0, 3600.0
#: Small batches take 90 s to 13 min, most end within an hour, all expire at 24 h.
JOB_SECONDS = (
    5.0,
    15.0,
    30.0,
    _MINUTE,
    2 * _MINUTE,
    5 * _MINUTE,
    10 * _MINUTE,
    20 * _MINUTE,
    40 * _MINUTE,
    _HOUR,
    2 * _HOUR,
    4 * _HOUR,
    8 * _HOUR,
    16 * _HOUR,
    24 * _HOUR,
)
WAIT_SECONDS = (
    0.1,
    0.5,
    1.0,
    2.0,
    5.0,
    15.0,
    30.0,
    _MINUTE,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    4 * _HOUR,
    12 * _HOUR,
    24 * _HOUR,
)
JOB_ITEMS = (1.0, 4.0, 12.0, 24.0, 48.0, 96.0, 192.0, 288.0, 1_000.0, 3_000.0, 10_000.0)


class BoundedValues:
    """Lets the first `limit` different values through and turns all later ones into `other`.

    Providers, models and reasons come partly from requests: without a bound a careless producer would make a series each.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """The value, or `other`."""
        if value in self._seen:
            return value
        if len(self._seen) >= self._limit:
            return OTHER
        self._seen.add(value)
        return value


class Metrics:
    """All that one worker counts, in one registry. Each method counts one thing that has happened."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._provider, self._model = BoundedValues(8), BoundedValues(50)
        self._word = BoundedValues(100)
        self._jobs = self._counter(
            "llm_provider_batch_api_jobs", "Batch jobs by what became of them.", "provider", "model", "status"
        )
        self._job_items = Histogram(
            "llm_provider_batch_api_items_per_job",
            "Comparisons per batch job.",
            ["provider"],
            buckets=JOB_ITEMS,
            registry=registry,
        )
        self._job_seconds = Histogram(
            "llm_provider_batch_api_job_duration_seconds",
            "From a batch job's submission to its end at the provider.",
            ["provider"],
            buckets=JOB_SECONDS,
            registry=registry,
        )
        self._wait = Histogram(
            "llm_provider_queue_wait_time_seconds",
            "From a request's append time to its first sending.",
            ["provider", "mode"],
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self._results = self._counter(
            "roundbatch_results", "Terminal events: answered, or an error code.", "outcome", "provider", "mode"
        )
        self._dead_letters = self._counter("roundbatch_dead_letters", "Records and members in a DLQ.", "answered", "reason")
        self._calls_repeated = self._counter("roundbatch_calls_repeated", "Calls of unknown outcome asked again.", "provider")
        self._duplicates = self._counter("roundbatch_duplicates", "Requests that had come before, with equal content.")
        self._nightly_iterations = self._counter(
            "roundbatch_nightly_iterations", "Rounds after a batch's first that wait for a night.", "provider"
        )
        self._spent = self._counter(
            "roundbatch_outcomes_spent", "Outcomes that came when the comparison had ended.", "provider"
        )
        self._claims_lost = self._counter(
            "roundbatch_claims_lost", "Claims that came second or ran out before the call.", "provider"
        )
        self._fates = self._counter(
            "roundbatch_unknown_jobs", "Jobs of unknown fate: adopted, held or absent.", "provider", "fate"
        )
        self._http = self._counter(
            "roundbatch_http_operations", "HTTP requests to providers.", "provider", "endpoint", "status"
        )
        self._temperatures = self._counter(
            "roundbatch_temperatures_dropped", "Temperature overrides not sent.", "provider", "model"
        )
        self._prices = self._counter("roundbatch_prices_unknown", "Results whose cost could not be told.", "provider", "model")
        ProcessCollector(registry=registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def watch_queue(self, snapshot: Callable[[], QueueSnapshot]) -> None:
        """Take the gauges from this callable at each scrape; to be called once."""
        self.registry.register(QueueCollector(snapshot))

    def watch_failstops(self, count: Callable[[], int]) -> None:
        """Take the count of fail-stops (FailStopCount.read) at each scrape; to be called once."""
        self.registry.register(_FailStops(count))

    def job_submitted(self, provider: str, model: str, items: int) -> None:
        """A batch job was accepted by the provider, with this many comparisons."""
        provider = self._provider(provider)
        self._jobs.labels(provider, self._model(model), "submitted").inc()
        self._job_items.labels(provider).observe(items)

    def job_ended(self, provider: str, model: str, status: str, duration_s: float) -> None:
        """A batch job ended as the provider says (completed, expired, cancelled, failed), so long after its submission."""
        provider = self._provider(provider)
        self._jobs.labels(provider, self._model(model), self._word(status)).inc()
        self._job_seconds.labels(provider).observe(max(0.0, duration_s))

    def waited(self, provider: str, mode: str, seconds: float) -> None:
        """A comparison was sent for the first time, so long after its record's append time; mode as on the wire."""
        self._wait.labels(self._provider(provider), self._word(mode)).observe(max(0.0, seconds))

    def result(self, outcome: str, provider: str, mode: str) -> None:
        """A terminal event was acknowledged; outcome is `answered` or the error code."""
        self._results.labels(self._word(outcome), self._provider(provider), self._word(mode)).inc()

    def dead_letter(self, *, answered: bool, reason: str) -> None:
        """A record or member went to a DLQ; reason is a short word, never text from the record."""
        self._dead_letters.labels("true" if answered else "false", self._word(reason)).inc()

    def call_repeated(self, provider: str) -> None:
        """A call of unknown outcome is asked again, and perhaps paid twice."""
        self._calls_repeated.labels(self._provider(provider)).inc()

    def duplicate(self) -> None:
        """A request came again with equal content."""
        self._duplicates.inc()

    def nightly_iteration(self, provider: str) -> None:
        """A round with an iteration of 1 or more came under nightly: so many rounds are so many nights."""
        self._nightly_iterations.labels(self._provider(provider)).inc()

    def outcome_spent(self, provider: str, count: int = 1) -> None:
        """Outcomes came for comparisons that had ended already."""
        self._spent.labels(self._provider(provider)).inc(count)

    def claim_lost(self, provider: str) -> None:
        """A claim came second, or ran out before its call."""
        self._claims_lost.labels(self._provider(provider)).inc()

    def job_adopted(self, provider: str) -> None:
        """A job of unknown fate was found at the provider."""
        self._fates.labels(self._provider(provider), "adopted").inc()

    def job_held(self, provider: str) -> None:
        """A job can be neither seen nor called absent: it waits for a key, the operator or its deadline."""
        self._fates.labels(self._provider(provider), "held").inc()

    def job_absent(self, provider: str) -> None:
        """A job of unknown fate is certainly not at the provider."""
        self._fates.labels(self._provider(provider), "absent").inc()

    def http_operation(self, provider: str, endpoint: str, status: str) -> None:
        """One HTTP attempt; endpoint is a name such as `batches.create`, status a code, `timeout` or `reset`."""
        self._http.labels(self._provider(provider), self._word(endpoint), self._word(status)).inc()

    def temperature_dropped(self, provider: str, model: str) -> None:
        """A temperature override was not sent, for the model takes none."""
        self._temperatures.labels(self._provider(provider), self._model(model)).inc()

    def price_unknown(self, provider: str, model: str) -> None:
        """A result went out with cost 0, for the model's price is not known."""
        self._prices.labels(self._provider(provider), self._model(model)).inc()


class _FailStops(Collector):
    """A counter whose value outlives the process."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "roundbatch_failstops", "Times this worker stopped itself at once (exit 70).", value=self._count()
        )
