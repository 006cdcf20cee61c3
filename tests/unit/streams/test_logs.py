"""Log lines: ours and the libraries', as JSON."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams import logs
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    for name in logs.LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_our_events_are_json_lines_with_utc_time() -> None:
    out = io.StringIO()
    logs.configure("INFO", out)
    structlog.get_logger().info("job_submitted", items=12)
    structlog.get_logger().debug("job_polled")
    (line,) = map(json.loads, out.getvalue().splitlines())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "job_submitted", "items": 12, "level": "info"}


@pytest.mark.parametrize("library", ["faust.agents.agent", "mode.services", "aiokafka.consumer", "openai"])
def test_libraries_come_out_the_same_way_from_warning_upwards(library: str) -> None:
    out = io.StringIO()
    logs.configure("DEBUG", out)
    logging.getLogger(library).info("a prompt")
    logging.getLogger(library).debug("a prompt")
    logging.getLogger(library).error("lost %s", "broker")
    logging.getLogger(library).log(35, "between two levels")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["event"], first["logger"], first["message"], first["level"]) == (
        "library_log",
        library,
        "lost broker",
        "error",
    )
    assert second["level"] == "warning"


def test_tracebacks_show_no_local_variables() -> None:
    out = io.StringIO()
    logs.configure("INFO", out)
    prompt = "the whole " + "essay"
    try:
        raise ValueError(len(prompt))
    except ValueError:
        structlog.get_logger().exception("step_failed")
    assert "ValueError: 15" in json.loads(out.getvalue())["exception"]
    assert "the whole essay" not in out.getvalue()


def test_the_last_call_counts() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("INFO", first)
    logs.configure("INFO", second)
    logging.getLogger("faust").warning("once")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)


def test_what_was_counted_is_told_before_the_process_ends() -> None:
    out = io.StringIO()
    logs.configure("INFO", out)
    library = logging.getLogger("aiokafka")
    for _ in range(3):
        library.error("lost %s", "broker")
    try:
        raise ValueError(1)
    except ValueError:
        library.exception("lost %s", "broker")  # with another cause it is another kind
    logs.finish()
    logs.finish()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["library_log", "library_log", "library_log_repeated"]
    assert (lines[2]["message"], lines[2]["left_out"], lines[2]["level"]) == ("lost broker", 2, "error")


def test_a_repetition_that_ended_is_told_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOOK_S", 0.01)
    monkeypatch.setattr("streams.log_repeats.QUIET_S", 0.05)
    out = io.StringIO()
    logs.configure("INFO", out)
    logging.getLogger("aiokafka").error("x")
    logging.getLogger("aiokafka").error("x")
    until(lambda: "library_log_repeated" in out.getvalue(), "the repetition is told", out.getvalue)
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["library_log", "library_log_repeated"]
