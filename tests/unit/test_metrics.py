"""What is counted, under which names, with bounded labels."""

import datetime as dt
import json
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from agents.failstop_count import FailStopCount
from agents.metrics import JOB_SECONDS, BoundedValues, Metrics
from agents.queue_metrics import JOB_STATES, QueueSnapshot

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_names_of_the_existing_service_are_kept(metrics: Metrics) -> None:
    metrics.job_submitted("openai", "gpt-6-luna", 12)
    metrics.job_ended("openai", "gpt-6-luna", "completed", 700.0)
    metrics.waited("openai", "batch_api", 2.5)
    metrics.watch_queue(lambda: QueueSnapshot(pending={("openai", "per_round"): 3, ("anthropic", "per_request"): 4}))
    job = {"provider": "openai", "model": "gpt-6-luna"}
    assert value(metrics, "llm_provider_batch_api_jobs_total", **job, status="submitted") == 1
    assert value(metrics, "llm_provider_batch_api_jobs_total", **job, status="completed") == 1
    assert value(metrics, "llm_provider_batch_api_items_per_job_sum", provider="openai") == 12
    assert value(metrics, "llm_provider_batch_api_job_duration_seconds_sum", provider="openai") == 700
    assert value(metrics, "llm_provider_queue_wait_time_seconds_count", provider="openai", mode="batch_api") == 1
    assert value(metrics, "llm_provider_queue_depth") == 7


def test_job_durations_reach_the_day_after_which_jobs_expire() -> None:
    assert JOB_SECONDS[-1] == 24 * 3600


def test_counters(metrics: Metrics) -> None:
    metrics.result("answered", "anthropic", "batch_api")
    metrics.result("TIMEOUT", "anthropic", "batch_api")
    metrics.dead_letter(answered=False, reason="undecodable")
    metrics.call_repeated("openai")
    metrics.duplicate()
    metrics.nightly_iteration("openai")
    metrics.outcome_spent("openai", 3)
    metrics.claim_lost("openai")
    metrics.job_adopted("openai")
    metrics.job_held("anthropic")
    metrics.job_absent("openai")
    metrics.http_operation("openai", "batches.create", "200")
    metrics.temperature_dropped("anthropic", "claude-haiku-5-5")
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
    metrics.watch_queue(lambda: snapshots[current])
    assert value(metrics, "roundbatch_jobs", provider="openai", state="unknown") == 2
    assert value(metrics, "roundbatch_oldest_pending_seconds") == 60
    assert value(metrics, "roundbatch_partitions_assigned") == 4
    assert value(metrics, "roundbatch_partitions_caught_up") == 3
    current = 1
    assert [value(metrics, "roundbatch_jobs", provider="openai", state=state) for state in JOB_STATES] == [0, 0, 0, 0, 1]
    assert value(metrics, "roundbatch_pending_bytes") == 9
    assert value(metrics, "roundbatch_partitions_paused") == 1


def test_a_queue_can_be_watched_before_it_can_be_asked(metrics: Metrics) -> None:
    def not_yet() -> QueueSnapshot:
        raise RuntimeError("no view yet")

    metrics.watch_queue(not_yet)
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


def test_fail_stops_are_counted_across_restarts(metrics: Metrics, tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    assert FailStopCount(state_dir).read() == 0
    FailStopCount(state_dir).add("ProducerError", NOW)
    FailStopCount(state_dir).add("ProducerError", NOW)
    restarted = FailStopCount(state_dir)
    metrics.watch_failstops(restarted.read)
    assert value(metrics, "roundbatch_failstops_total") == 2
    assert json.loads(restarted.path.read_text()) == {
        "count": 2,
        "last_reason": "ProducerError",
        "last_at": "2026-11-23T00:00:00+00:00",
    }
    assert [path.name for path in state_dir.iterdir()] == ["failstop.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"count": "3"}', '{"count": -1}', "{}"])
def test_a_file_that_cannot_be_read_counts_from_0(tmp_path: Path, content: str) -> None:
    count = FailStopCount(tmp_path)
    count.path.write_text(content)
    with structlog.testing.capture_logs():
        assert count.read() == 0
        count.add("Failure", NOW)
    assert count.read() == 1


def test_a_count_that_cannot_be_written_does_not_stop_the_exit(tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("a file where the directory should be")
    with structlog.testing.capture_logs() as lines:
        FailStopCount(occupied).add("Failure", NOW)
    assert lines[-1]["event"] == "failstop_not_counted"
