"""How many rows an ended batch announces, whether a read brought them, and where its results are asked for."""

from typing import Any

import pytest

from providers.anthropic import wire as anthropic_wire
from providers.http.rest import path_at
from providers.http.results import Announced, Read, objection, of_download
from providers.openai import wire as openai_wire
from providers.protocol import AccountRefused, JobNotVisible, ProviderDown, ResultsNotWhole


def batch(status: str, completed: int = 0, failed: int = 0, **more: Any) -> dict[str, Any]:
    counts = {"total": 12, "completed": completed, "failed": failed}
    return {"status": status, "request_counts": counts, f"{status}_at": 1000, **more}


@pytest.mark.parametrize(
    ("value", "rows", "answered"),
    [
        (batch("completed", 12), 12, 12),
        (batch("completed", 9, 3), 12, 9),
        (batch("completed", 9), 12, 9),  # every row of a completed batch is done: its counts lag
        (batch("expired", 5), 5, 5),  # expired rows are counted among the failed by some, and not by others
        (batch("expired", 5, 7), 12, 5),
        (batch("cancelled", 4, 1), 5, 4),  # cancelled rows may be in neither file
        (batch("cancelled"), 0, 0),
        ({"status": "completed", "request_counts": {"total": 0, "completed": 0, "failed": 0}}, None, None),
        ({"status": "expired", "request_counts": {"total": 0, "completed": 0, "failed": 0}}, None, None),
        ({"status": "cancelled", "request_counts": {"total": 0, "completed": 0, "failed": 0}}, 0, 0),
        ({"status": "completed", "request_counts": None}, None, None),
        ({"status": "completed"}, None, None),
        ({"status": "completed", "request_counts": {"total": "12", "completed": 12, "failed": 0}}, None, None),
    ],
)
def test_how_many_rows_an_openai_batch_announces(value: dict[str, Any], rows: int | None, answered: int | None) -> None:
    assert openai_wire.announced(value, now_s=1010) == Announced(rows, answered)


def test_a_completed_batch_that_has_settled_is_believed_that_a_row_is_missing() -> None:
    assert openai_wire.announced(batch("completed", 9), now_s=1599).rows == 12
    assert openai_wire.announced(batch("completed", 9), now_s=1600).rows == 9


@pytest.mark.parametrize(
    ("counts", "rows", "answered"),
    [
        ({"processing": 0, "succeeded": 5, "errored": 1, "canceled": 2, "expired": 4}, 12, 5),
        ({"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 3}, 3, 0),
        ({"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}, None, None),
        (None, None, None),
    ],
)
def test_how_many_rows_an_anthropic_batch_announces(counts: Any, rows: int | None, answered: int | None) -> None:
    assert anthropic_wire.announced({"processing_status": "ended", "request_counts": counts}, now_s=1010) == Announced(
        rows, answered
    )


@pytest.mark.parametrize(
    ("announced", "read", "paid"),
    [
        (Announced(12, 10), Read(11, 10, cut=False), 0),
        (Announced(12, 10), Read(12, 9, cut=False), 1),  # a row of another kind does not stand for an answer
        (Announced(12, 10), Read(0, 0, cut=False), 10),
        (Announced(5, 5), Read(9, 5, cut=True), 0),
        (Announced(None, None), Read(12, 12, cut=False), None),
    ],
)
def test_a_read_that_is_not_whole(announced: Announced, read: Read, paid: int | None) -> None:
    said = objection(announced, read)
    assert said is not None
    assert (said.paid, said.gone) == (paid, False)


@pytest.mark.parametrize("read", [Read(12, 10, cut=False), Read(13, 12, cut=False)])
def test_a_read_of_as_many_rows_as_are_counted_or_more_is_whole(read: Read) -> None:
    assert objection(Announced(12, 10), read) is None


@pytest.mark.parametrize(
    ("results_url", "base_path", "path"),
    [
        ("https://api.anthropic.com/v1/messages/batches/b1/results", "/", "/v1/messages/batches/b1/results"),
        (
            "https://api.anthropic.com/v1/messages/batches/b1/results?x=1&y=%2F",
            "/",
            "/v1/messages/batches/b1/results?x=1&y=%2F",
        ),
        ("https://api.anthropic.com/v1/messages/batches/b1/results", "/gw/", "/v1/messages/batches/b1/results"),
        ("https://gateway.example/gw/v1/messages/batches/b1/results", "/gw/", "/v1/messages/batches/b1/results"),
        ("https://gateway.example/gwen/v1/b1", "/gw/", "/gwen/v1/b1"),
        ("/v1/messages/batches/b1/results", "/", "/v1/messages/batches/b1/results"),
        ("https://api.anthropic.com//evil.example/results", "/", "/evil.example/results"),
    ],
)
def test_where_the_results_are_asked_for(results_url: str, base_path: str, path: str) -> None:
    assert path_at(results_url, base_path) == path


def test_results_that_are_not_there_are_gone_when_the_batch_is_seen() -> None:
    announced, read = Announced(12, 10), Read(2, 2, cut=False)
    for status in (404, 410):
        said = of_download(JobNotVisible("HTTP 404"), status, announced, read)
        assert isinstance(said, ResultsNotWhole)
        assert (said.gone, said.paid) == (True, 8)
    said = of_download(ResultsNotWhole("it shows no results_url", gone=True), None, announced, read)
    assert isinstance(said, ResultsNotWhole)
    assert (said.gone, said.paid) == (True, 8)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (JobNotVisible("HTTP 403"), 403),
        (JobNotVisible("HTTP 401"), 401),
        (ProviderDown("died"), None),
        (AccountRefused("", ""), 404),
    ],
)
def test_what_may_be_had_with_another_key_or_later_is_not_gone(error: Any, status: int | None) -> None:
    assert of_download(error, status, Announced(12, 10), Read(2, 2, cut=False)) is error
