"""Fail-stops are counted across restarts, and those in a row name their record."""

import datetime as dt
import json
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from agents.liveness.failstop_count import ROW_S, FailStopCount, FailStops
from agents.status.process_gauges import FailStopCollector
from streams.failstop import RecordPlace

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
PLACE = RecordPlace("roundbatch.work", 3, 4_711)


def test_fail_stops_are_counted_across_restarts(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    assert FailStopCount(state_dir).read() == FailStops()
    FailStopCount(state_dir).add("collect", None, NOW, 5.0)
    FailStopCount(state_dir).add("reconcile", PLACE, NOW, 5.0)
    restarted = FailStopCount(state_dir)
    assert restarted.read() == FailStops(2, 2, PLACE)
    assert json.loads(restarted.path.read_text()) == {
        "count": 2,
        "in_a_row": 2,
        "last_reason": "reconcile",
        "last_at": "2026-11-23T00:00:00+00:00",
        "place": {"topic": "roundbatch.work", "partition": 3, "offset": 4_711},
    }
    assert [path.name for path in state_dir.iterdir()] == ["failstop.json"]


def test_a_worker_that_has_lived_for_long_is_over_what_stopped_it_before(tmp_path: Path) -> None:
    count = FailStopCount(tmp_path)
    for _ in range(3):
        count.add("reconcile", PLACE, NOW, 20.0)
    assert count.now(ROW_S) == FailStops(3, 3, PLACE)
    assert count.now(ROW_S + 1) == FailStops(3, 0, None)
    count.add("collect", None, NOW, ROW_S + 1)
    assert count.now(0.0) == FailStops(4, 1, None)


def test_the_record_is_named_by_bounded_labels_and_its_offset_is_a_value(tmp_path: Path) -> None:
    count, registry = FailStopCount(tmp_path), CollectorRegistry()
    registry.register(FailStopCollector(count.read))
    unnamed, named = {"topic": "", "partition": ""}, {"topic": "roundbatch.work", "partition": "3"}
    assert registry.get_sample_value("roundbatch_failstops_in_a_row", unnamed) == 0
    count.add("reconcile", PLACE, NOW, 20.0)
    assert registry.get_sample_value("roundbatch_failstops_total") == 1
    assert registry.get_sample_value("roundbatch_failstops_in_a_row", named) == 1
    assert registry.get_sample_value("roundbatch_failstop_record_offset", named) == 4_711


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"count": "3"}', '{"count": -1}', "{}", '{"count": 1, "place": {"topic": "t"}}']
)
def test_a_file_that_cannot_be_read_counts_from_0(tmp_path: Path, content: str) -> None:
    count = FailStopCount(tmp_path)
    count.path.write_text(content)
    with structlog.testing.capture_logs():
        assert count.read() == FailStops()
        count.add("collect", None, NOW, 5.0)
    assert count.read().count == 1


def test_a_file_of_an_older_version_keeps_its_count(tmp_path: Path) -> None:
    count = FailStopCount(tmp_path)
    count.path.write_text('{"count": 7, "last_reason": "fail_stop", "last_at": "2026-11-23T00:00:00+00:00"}')
    assert count.read() == FailStops(7)


def test_a_count_that_cannot_be_written_does_not_stop_the_exit(tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("a file where the directory should be")
    with structlog.testing.capture_logs() as lines:
        FailStopCount(occupied).add("collect", None, NOW, 5.0)
    assert lines[-1]["event"] == "failstop_not_counted"
