"""The worker's metrics. Labels never carry ids, and hold a bounded number of values."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from agents.metrics.audits import AuditMetrics
from agents.metrics.buckets import JOB_ITEMS, JOB_SECONDS, RESULT_SECONDS, WAIT_SECONDS
from agents.metrics.calls import CallMetrics
from agents.metrics.census import CensusMetrics
from agents.metrics.labels import Labels, children
from agents.metrics.money import MoneyCounters
from agents.metrics.paid import PaidMetrics
from agents.metrics.topics import TopicMetrics
from domain.strategies import STRATEGIES

#: Why a record or member goes to a DLQ that no event answers (agents.records.collect, agents.records.reconcile).
UNANSWERED = (
    *("undecodable", "too_old", "not_judged", "no_correlation_id", "no_callback_topic"),
    *("callback_topic_not_allowed", "conflicting_content", "unsendable", "result_too_large"),
)


class Metrics:
    """All that one worker counts, in one registry. Each method counts one thing that has happened."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.labels = labels = Labels(registry)
        self._provider, self._model, self._word = labels.provider, labels.model, labels.word
        self.calls, self.paid, self.topics = CallMetrics(labels), PaidMetrics(labels), TopicMetrics(labels)
        self.money, self.census, self.audits = MoneyCounters(registry), CensusMetrics(labels), AuditMetrics(labels)
        self._counter = labels.counter
        self._jobs = self._counter(
            "llm_provider_batch_api_jobs", "Batch jobs by what became of them.", "provider", "model", "status"
        )
        self._job_items = labels.histogram(
            "llm_provider_batch_api_items_per_job", "Comparisons per batch job.", JOB_ITEMS, "provider"
        )
        self._job_seconds = labels.histogram(
            "llm_provider_batch_api_job_duration_seconds",
            "From a batch job's submission to its end at the provider.",
            JOB_SECONDS,
            "provider",
        )
        self._wait = labels.histogram(
            "llm_provider_queue_wait_time_seconds",
            "From a request's append time to its first sending.",
            WAIT_SECONDS,
            *("provider", "mode"),
        )
        self._request_to_result = labels.histogram(
            "roundbatch_request_to_result_seconds",
            "From a request's append time to the acknowledgement of its event.",
            RESULT_SECONDS,
            *("provider", "mode"),
        )
        self._results = self._counter(
            "roundbatch_results", "Terminal events: answered, or an error code.", "outcome", "provider", "mode"
        )
        self._dead_letters = self._counter("roundbatch_dead_letters", "Records and members in a DLQ.", "answered", "reason")
        self._calls_repeated = self._counter("roundbatch_calls_repeated", "Calls of unknown outcome asked again.", "provider")
        self._duplicates = self._counter("roundbatch_duplicates", "Requests that had come before, with equal content.")
        self._nightly_iterations = self._counter(
            "roundbatch_nightly_iterations", "Rounds after a cj_batch's first that wait for a night.", "provider"
        )
        self._batches_not_taken = self._counter(
            "roundbatch_batches_not_taken",
            "Requests for a batch at a provider that takes none: they go as its strategy says.",
            "provider",
        )
        self._mock = Gauge("roundbatch_mock_enabled", "1: the provider mock makes answers up.", registry=registry)
        self._surplus = self._counter(
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
        self._other_models = self._counter(
            "roundbatch_other_model_answers", "Answers of another model than the one that was asked.", "provider", "model"
        )
        self._rate_limited = self._counter("roundbatch_rate_limited", "Answers of 429 by providers.", "provider")
        self._unknown_ids = self._counter(
            "roundbatch_unknown_custom_ids", "Rows of batch jobs with a custom id that the job does not have.", "provider"
        )
        self._doubled_ids = self._counter(
            "roundbatch_doubled_custom_ids", "Rows of batch jobs with a custom id that another row had before.", "provider"
        )
        self._short_reads = self._counter(
            "roundbatch_short_reads", "Reads of ended batches that brought fewer rows than the provider counts.", "provider"
        )
        self._recovery = Gauge(
            "roundbatch_recovery_seconds",
            "How long the latest recovery took, from a start or rebalance until all partitions had caught up.",
            registry=registry,
        )
        self._recoveries = self._counter("roundbatch_recoveries", "Recoveries: one for the start, one for each rebalance.")
        self._result, self._result_seconds = children(self._results), children(self._request_to_result)
        self._waits = children(self._wait)
        ProcessCollector(registry=registry)

    def expect(self, providers: Iterable[str]) -> None:
        """Begin at 0 each series whose increase an alert watches: to Prometheus, one that begins at 1 has not increased."""
        providers = tuple(providers)
        self.audits.expect()
        self._mock.set("mock" in providers)
        for provider in map(self._provider, providers):
            self._rate_limited.labels(provider)
            self._unknown_ids.labels(provider)
            self._doubled_ids.labels(provider)
            self._short_reads.labels(provider)
            self.paid.expect(provider)
            self._calls_repeated.labels(provider)
            self._claims_lost.labels(provider)
            self._surplus.labels(provider)
            for fate in ("adopted", "held", "absent"):
                self._fates.labels(provider, fate)
            for mode in {row.mode for row in STRATEGIES.values()}:
                self._results.labels("answered", provider, self._word(mode))
        for reason in UNANSWERED:
            self._dead_letters.labels("false", self._word(reason))

    def results(self) -> dict[str, int]:
        """Terminal events since the start of this process, by outcome."""
        found: dict[str, int] = {}
        for sample in (sample for family in self._results.collect() for sample in family.samples):
            found[sample.labels["outcome"]] = found.get(sample.labels["outcome"], 0) + int(sample.value)
        return found

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
        self._waits(self._provider(provider), self._word(mode)).observe(max(0.0, seconds))

    def result(self, outcome: str, provider: str, mode: str, seconds: float) -> None:
        """A terminal event was acknowledged, so long after its request's append time; outcome: `answered` or the error code."""
        provider, mode = self._provider(provider), self._word(mode)
        self._result(self._word(outcome), provider, mode).inc()
        self._result_seconds(provider, mode).observe(max(0.0, seconds))

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
        """A round with an iteration of 1 or more came under nightly, where each round waits for a night of its own."""
        self._nightly_iterations.labels(self._provider(provider)).inc()

    def batch_not_taken(self, provider: str) -> None:
        """A request asked for a batch, and its provider takes none."""
        self._batches_not_taken.labels(self._provider(provider)).inc()

    def outcome_surplus(self, provider: str, count: int = 1) -> None:
        """Outcomes came for comparisons that had ended already."""
        self._surplus.labels(self._provider(provider)).inc(count)

    def claim_lost(self, provider: str) -> None:
        """A claim came second, or ran out before its call."""
        self._claims_lost.labels(self._provider(provider)).inc()

    def job_adopted(self, provider: str) -> None:
        """A job of unknown fate was found at the provider."""
        self._fates.labels(self._provider(provider), "adopted").inc()

    def job_held(self, provider: str) -> None:
        """A job of unknown fate is neither found nor certainly absent: it waits for a key, the operator or its deadline."""
        self._fates.labels(self._provider(provider), "held").inc()

    def job_absent(self, provider: str) -> None:
        """A job of unknown fate is certainly not at the provider."""
        self._fates.labels(self._provider(provider), "absent").inc()

    def http_operation(self, provider: str, endpoint: str, status: str) -> None:
        """One HTTP attempt; endpoint is a name such as `batches.create`, status a code, `timeout` or `reset`."""
        provider = self._provider(provider)
        self._http.labels(provider, self._word(endpoint), self._word(status)).inc()
        if status == "429":
            self._rate_limited.labels(provider).inc()

    def unknown_custom_ids(self, provider: str, rows: int) -> None:
        """An ended batch held rows with custom ids that its job does not have."""
        self._unknown_ids.labels(self._provider(provider)).inc(rows)

    def doubled_custom_ids(self, provider: str, rows: int) -> None:
        """An ended batch held more than one row with the same custom id."""
        self._doubled_ids.labels(self._provider(provider)).inc(rows)

    def short_read(self, provider: str) -> None:
        """An ended batch was read, and rows that the provider counts did not come."""
        self._short_reads.labels(self._provider(provider)).inc()

    def recovered(self, seconds: float) -> None:
        """All partitions have caught up, so long after the start or the rebalance."""
        self._recovery.set(seconds)
        self._recoveries.inc()

    def parameter_dropped(self, provider: str, model: str, parameter: str) -> None:
        """A parameter that a request had asked for was not sent, for the model does not take it. Temperatures are counted."""
        if parameter == "temperature":
            self._temperatures.labels(self._provider(provider), self._model(model)).inc()

    def other_model(self, provider: str, model: str) -> None:
        """Another model answered than this one, which was asked; the event names the other one."""
        self._other_models.labels(self._provider(provider), self._model(model)).inc()

    def price_unknown(self, provider: str, model: str) -> None:
        """A result went out with cost 0, for the model's price is not known."""
        self._prices.labels(self._provider(provider), self._model(model)).inc()
