"""What is counted, under which names, with bounded labels."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from agents.metrics.buckets import JOB_SECONDS, RESULT_SECONDS
from agents.metrics.counters import UNANSWERED, Metrics
from agents.metrics.labels import BoundedValues
from agents.status.queue_gauges import QueueCollector
from agents.status.queue_snapshot import QueueSnapshot
from domain.reply import Usage
from providers.prices import LISTED
from streams.wire.status.queue import JOB_STATES


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_names_of_the_existing_service_are_kept(metrics: Metrics) -> None:
    metrics.job_submitted("openai", "gpt-6-luna", 12)
    metrics.job_ended("openai", "gpt-6-luna", "completed", 700.0)
    metrics.waited("openai", "batch_api", 2.5)
    metrics.registry.register(
        QueueCollector(lambda: QueueSnapshot(pending={("openai", "per_round"): 3, ("anthropic", "per_request"): 4}))
    )
    job = {"provider": "openai", "model": "gpt-6-luna"}
    assert value(metrics, "llm_provider_batch_api_jobs_total", **job, status="submitted") == 1
    assert value(metrics, "llm_provider_batch_api_jobs_total", **job, status="completed") == 1
    assert value(metrics, "llm_provider_batch_api_items_per_job_sum", provider="openai") == 12
    assert value(metrics, "llm_provider_batch_api_job_duration_seconds_sum", provider="openai") == 700
    assert value(metrics, "llm_provider_queue_wait_time_seconds_count", provider="openai", mode="batch_api") == 1
    assert value(metrics, "llm_provider_queue_depth") == 7


def test_job_durations_reach_the_day_after_which_jobs_expire() -> None:
    assert JOB_SECONDS[-1] == 24 * 3600
    assert RESULT_SECONDS[-1] >= 24 * 3600


def test_counters(metrics: Metrics) -> None:
    metrics.result("answered", "anthropic", "batch_api", 700.0)
    metrics.result("TIMEOUT", "anthropic", "batch_api", -0.5)
    metrics.dead_letter(answered=False, reason="undecodable")
    metrics.call_repeated("openai")
    metrics.duplicate()
    metrics.nightly_iteration("openai")
    metrics.outcome_surplus("openai", 3)
    metrics.claim_lost("openai")
    metrics.job_adopted("openai")
    metrics.job_held("anthropic")
    metrics.job_absent("openai")
    metrics.http_operation("openai", "batches.create", "200")
    metrics.http_operation("openai", "messages.create", "429")
    metrics.unknown_custom_ids("openai", 2)
    metrics.recovered(1.5)
    metrics.parameter_dropped("anthropic", "claude-haiku-5-5", "temperature")
    metrics.parameter_dropped("anthropic", "claude-haiku-5-5", "top_p")
    metrics.price_unknown("openai", "gpt-7")
    expected: list[tuple[str, dict[str, str], float]] = [
        ("roundbatch_results_total", {"outcome": "answered", "provider": "anthropic", "mode": "batch_api"}, 1),
        ("roundbatch_results_total", {"outcome": "TIMEOUT", "provider": "anthropic", "mode": "batch_api"}, 1),
        ("roundbatch_dead_letters_total", {"answered": "false", "reason": "undecodable"}, 1),
        ("roundbatch_calls_repeated_total", {"provider": "openai"}, 1),
        ("roundbatch_duplicates_total", {}, 1),
        ("roundbatch_nightly_iterations_total", {"provider": "openai"}, 1),
        ("roundbatch_outcomes_spent_total", {"provider": "openai"}, 3),
        ("roundbatch_claims_lost_total", {"provider": "openai"}, 1),
        ("roundbatch_unknown_jobs_total", {"provider": "openai", "fate": "adopted"}, 1),
        ("roundbatch_unknown_jobs_total", {"provider": "anthropic", "fate": "held"}, 1),
        ("roundbatch_unknown_jobs_total", {"provider": "openai", "fate": "absent"}, 1),
        ("roundbatch_http_operations_total", {"provider": "openai", "endpoint": "batches.create", "status": "200"}, 1),
        ("roundbatch_rate_limited_total", {"provider": "openai"}, 1),
        ("roundbatch_unknown_custom_ids_total", {"provider": "openai"}, 2),
        ("roundbatch_recoveries_total", {}, 1),
        ("roundbatch_recovery_seconds", {}, 1.5),
        ("roundbatch_request_to_result_seconds_count", {"provider": "anthropic", "mode": "batch_api"}, 2),
        ("roundbatch_request_to_result_seconds_sum", {"provider": "anthropic", "mode": "batch_api"}, 700),
        ("roundbatch_temperatures_dropped_total", {"provider": "anthropic", "model": "claude-haiku-5-5"}, 1),
        ("roundbatch_prices_unknown_total", {"provider": "openai", "model": "gpt-7"}, 1),
    ]
    for name, labels, count in expected:
        assert value(metrics, name, **labels) == count, name


def test_gauges_are_taken_at_each_scrape(metrics: Metrics) -> None:
    snapshots = [
        QueueSnapshot(jobs={("openai", "unknown"): 2}, oldest_pending_s=60.0, partitions_assigned=4, partitions_caught_up=3),
        QueueSnapshot(jobs={("openai", "held"): 1}, pending_bytes=9, partitions_paused=1),
    ]
    current = 0
    metrics.registry.register(QueueCollector(lambda: snapshots[current]))
    assert value(metrics, "roundbatch_jobs", provider="openai", state="unknown") == 2
    assert value(metrics, "roundbatch_oldest_pending_seconds") == 60
    assert value(metrics, "roundbatch_partitions_assigned") == 4
    assert value(metrics, "roundbatch_partitions_caught_up") == 3
    current = 1
    assert [value(metrics, "roundbatch_jobs", provider="openai", state=state) for state in JOB_STATES] == [0, 0, 0, 0, 0, 1]
    assert value(metrics, "roundbatch_pending_bytes") == 9
    assert value(metrics, "roundbatch_partitions_paused") == 1


def test_a_group_with_nothing_in_it_is_0_and_no_deadline_is_infinitely_far(metrics: Metrics) -> None:
    """A series that vanishes leaves an alert without data."""
    metrics.registry.register(
        QueueCollector(lambda: QueueSnapshot(providers=("openai",), oldest_comparison_s={"window": 9.0}, lag={"work": 4}))
    )
    assert value(metrics, "roundbatch_pending_comparisons", provider="openai", strategy="nightly") == 0
    assert value(metrics, "roundbatch_jobs", provider="openai", state="calling") == 0
    assert value(metrics, "roundbatch_oldest_job_seconds", provider="openai", state="held") == 0
    assert value(metrics, "roundbatch_windows", strategy="per_round") == 0
    assert value(metrics, "roundbatch_oldest_comparison_seconds", state="window") == 9
    assert value(metrics, "roundbatch_oldest_comparison_seconds", state="submitted") == 0
    assert value(metrics, "roundbatch_consumer_lag_records", topic="request") == 0
    assert value(metrics, "roundbatch_consumer_lag_records", topic="work") == 4
    assert value(metrics, "roundbatch_nearest_deadline_seconds") == float("inf")


def test_what_alerts_watch_the_increase_of_begins_at_0(metrics: Metrics) -> None:
    metrics.expect(["openai"])
    for reason in UNANSWERED:
        assert value(metrics, "roundbatch_dead_letters_total", answered="false", reason=reason) == 0
    assert value(metrics, "roundbatch_unknown_jobs_total", provider="openai", fate="held") == 0
    assert value(metrics, "roundbatch_rate_limited_total", provider="openai") == 0


def test_a_mock_that_makes_answers_up_is_told(metrics: Metrics) -> None:
    metrics.expect(["openai"])
    assert value(metrics, "roundbatch_mock_enabled") == 0
    metrics.expect(["openai", "mock"])
    assert value(metrics, "roundbatch_mock_enabled") == 1


def test_tokens_are_told_by_direction_and_cache(metrics: Metrics) -> None:
    metrics.paid.tokens("anthropic", "claude-haiku-5-5", Usage(1_000, 50, 600, 100))
    metrics.paid.tokens("anthropic", "claude-haiku-5-5", Usage(10, 1))
    counted = {"provider": "anthropic", "model": "claude-haiku-5-5"}
    found = {
        (direction, cached): value(metrics, "roundbatch_tokens_total", **counted, direction=direction, cached=cached)
        for direction, cached in (("input", "no"), ("input", "read"), ("input", "written"), ("output", "no"))
    }
    assert found == {("input", "no"): 310, ("input", "read"): 600, ("input", "written"): 100, ("output", "no"): 51}


def test_what_a_batch_and_a_cache_saved(metrics: Metrics) -> None:
    """Half price in a batch; what is read from a cache costs less than the same tokens plain."""
    of = {"provider": "anthropic", "model": "claude-haiku-5-5"}
    plain, cached = Usage(10_000, 100), Usage(10_000, 100, 9_000)
    plain_usd, cached_usd = (LISTED.cost_usd(*of.values(), usage, batch=False) for usage in (plain, cached))
    assert plain_usd is not None
    assert cached_usd is not None

    def count(mode: str, usage: Usage, *, batch: bool) -> None:
        bill = LISTED.bill(*of.values(), usage, batch=batch)
        assert bill is not None
        metrics.paid.cost(*of.values(), mode, bill)

    count("batch_api", plain, batch=True)
    assert value(metrics, "roundbatch_cost_usd_total", **of, mode="batch_api") == pytest.approx(plain_usd / 2)
    assert value(metrics, "roundbatch_cost_saved_usd_total", **of, by="batch") == pytest.approx(plain_usd / 2)
    assert value(metrics, "roundbatch_cost_saved_usd_total", **of, by="cache") == 0
    count("per_request", cached, batch=False)
    assert value(metrics, "roundbatch_cost_saved_usd_total", **of, by="cache") == pytest.approx(plain_usd - cached_usd)
    written = Usage(10_000, 100, 0, 9_000)  # dearer than plain: nothing is saved, and a counter cannot fall
    count("per_request", written, batch=False)
    assert value(metrics, "roundbatch_cost_saved_usd_total", **of, by="cache") == pytest.approx(plain_usd - cached_usd)


def test_bundles_and_what_they_left_unanswered(metrics: Metrics) -> None:
    for failures in ([], ["unusable"], ["cut"] * 8):
        metrics.calls.bundle("openai", "gpt-6-luna", "serial_bundle", 8, failures)
    metrics.calls.bundle("openai", "gpt-6-luna", "batch_api", 8, ["unusable"])
    metrics.calls.called("openai", "gpt-6-luna", "serial_bundle", 2.5)
    of = {"provider": "openai", "model": "gpt-6-luna"}
    for status in ("answered", "partly_answered", "failed"):
        assert value(metrics, "llm_provider_serial_bundle_calls_total", **of, status=status) == 1
    by_mode = {"provider": "openai", "mode": "serial_bundle"}
    assert value(metrics, "llm_provider_serial_bundle_items_per_call_sum", **by_mode) == 24
    assert value(metrics, "roundbatch_bundle_item_failures_total", **by_mode, cause="cut") == 8
    assert value(metrics, "roundbatch_bundle_item_failures_total", provider="openai", mode="batch_api", cause="unusable") == 1
    assert value(metrics, "roundbatch_provider_call_seconds_sum", **of, mode="serial_bundle") == 2.5


def test_a_queue_can_be_watched_before_it_can_be_asked(metrics: Metrics) -> None:
    def not_yet() -> QueueSnapshot:
        raise RuntimeError("no view yet")

    metrics.registry.register(QueueCollector(not_yet))
    with pytest.raises(RuntimeError, match="no view yet"):
        generate_latest(metrics.registry)


def test_labels_are_bounded() -> None:
    bounded = BoundedValues(2)
    assert [bounded(name) for name in ("a", "b", "c", "a", "d")] == ["a", "b", "other", "a", "other"]


def test_models_named_by_requests_make_a_bounded_number_of_series(metrics: Metrics) -> None:
    for number in range(500):
        metrics.price_unknown("openai", f"model-{number}")
    assert generate_latest(metrics.registry).count(b"roundbatch_prices_unknown_total{") == 51
    assert value(metrics, "roundbatch_prices_unknown_total", provider="openai", model="other") == 450
