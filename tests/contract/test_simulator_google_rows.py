"""Rows of the simulator's Gemini batches that go wrong when it is told so, and batches of several schemas."""

# ruff: noqa: F811 - fixtures are imported, and arguments bear their names

import json
from typing import Any

import pytest

from simulator.control import SimulatorControl
from tests.contract.google_client import (  # noqa: F401 - the fixtures
    SCHEMA,
    Gemini,
    answer,
    gemini,
    line,
    lines,
    process,
    prompt,
    request,
)
from tests.harness.forked import forked_simulator


def by_key(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in rows}


def test_rows_that_fail(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(
        *({"fault": "errored", "next": 1, "code": code} for code in ("8", "13", "14")),
        {"fault": "errored", "next": 1, "status": 503},
        {"fault": "errored", "next": 1, "status": 503, "variant": "http_code"},
        {"fault": "errored", "next": 1, "code": "13", "variant": "status"},
        {"fault": "missing", "next": 1},
        {"fault": "blocked", "next": 1},
        {"fault": "refused", "next": 1, "reason": "RECITATION"},
        {"fault": "cut", "next": 1, "variant": "no_text"},
        {"fault": "other_model", "next": 1},
    )
    name = gemini.submit(lines(12))
    stats = gemini.get(name)["metadata"]["batchStats"]
    assert stats == {"requestCount": "11", "successfulRequestCount": "5", "failedRequestCount": "6"}
    rows = by_key(gemini.rows(name))
    assert len(rows) == 11
    assert [rows[f"job-1-{n}"]["error"]["code"] for n in range(5)] == [8, 13, 14, 14, 503]
    assert rows["job-1-5"]["status"]["code"] == 13
    assert "error" not in rows["job-1-5"]
    assert "job-1-6" not in rows
    assert "candidates" not in rows["job-1-7"]["response"]
    assert rows["job-1-8"]["response"]["candidates"][0]["finishReason"] == "RECITATION"
    assert rows["job-1-9"]["response"]["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert rows["job-1-10"]["response"]["modelVersion"] == "gemini-3.5-flash-lite"
    assert answer(rows["job-1-11"]["response"])["winner"] == "Essay A"


def test_all_rows_may_fail_in_a_batch_that_succeeded(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(fault="errored", rate=1.0, code="13")
    name = gemini.submit(lines(3))
    assert gemini.state(name) == "BATCH_STATE_SUCCEEDED"
    assert [row["error"]["code"] for row in gemini.rows(name)] == [13, 13, 13]


def test_doubled_and_unknown_keys(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults({"fault": "doubled", "next": 1}, {"fault": "unknown_key", "next": 1})
    keys = sorted(row["key"] for row in gemini.rows(gemini.submit(lines(3))))
    assert keys == ["job-1-0", "job-1-0", "job-1-1-of-nobody", "job-1-2"]
    assert simulator.ledger()["items_paid"] == 3


@pytest.mark.parametrize(("variant", "whole"), [("half", 2), ("empty", 0), ("mid_line", 3), ("error_body", 0)])
def test_a_short_download(gemini: Gemini, simulator: SimulatorControl, variant: str, whole: int) -> None:
    name = gemini.submit(lines(4))
    file_name = gemini.get(name)["metadata"]["output"]["responsesFile"]
    simulator.faults(fault="short_download", next=1, variant=variant)
    short = gemini.download(file_name)
    assert short.status_code == 200
    assert short.content.count(b"\n") == whole
    assert len(gemini.rows(name)) == 4


def test_results_are_gone_after_their_time(gemini: Gemini, simulator: SimulatorControl) -> None:
    name = gemini.submit(lines(1))
    file_name = gemini.get(name)["metadata"]["output"]["responsesFile"]
    simulator.advance(42 * 24 * 3600)
    assert gemini.download(file_name).status_code == 404
    simulator.reset()
    simulator.faults(fault="not_found", next=1, endpoint="files.content")
    name = gemini.submit(lines(1))
    file_name = gemini.get(name)["metadata"]["output"]["responsesFile"]
    assert [gemini.download(file_name).status_code for _ in range(2)] == [404, 200]


# Schemas in batches


def mixed() -> list[dict[str, Any]]:
    bundle = {"type": "OBJECT", "properties": {"c01": SCHEMA}, "required": ["c01"], "propertyOrdering": ["c01"]}
    return [line("one"), line("two", request(prompt(more="2"), responseSchema=bundle))]


def test_one_schema_a_batch(gemini: Gemini) -> None:
    error = gemini.create(gemini.upload(mixed())["name"]).json()["error"]
    assert (error["status"], "same response schema" in error["message"]) == ("INVALID_ARGUMENT", True)
    without = line("two", request(prompt(more="2"), responseSchema=None))
    assert gemini.state(gemini.submit([line("one"), without])) == "BATCH_STATE_SUCCEEDED"


@pytest.mark.parametrize(("setting", "state"), [("failed", "FAILED"), ("taken", "SUCCEEDED")])
def test_two_schemas_may_fail_the_batch_or_be_taken(setting: str, state: str) -> None:
    with forked_simulator(google_mixed_schemas=setting) as simulator:
        client = Gemini(simulator.base_url)
        assert client.state(client.submit(mixed())) == f"BATCH_STATE_{state}"
        client.close()


def test_a_json_schema_may_be_answered_malformed_in_batches(gemini: Gemini, simulator: SimulatorControl) -> None:
    schema = {"type": "object", "properties": {"winner": {"type": "string"}}, "required": ["winner"]}
    asked = [line(f"job-1-{n}", request(prompt(more=str(n)), responseSchema=None, responseJsonSchema=schema)) for n in range(2)]
    assert answer(gemini.rows(gemini.submit(asked))[0]["response"]) == {"winner": "Essay A"}
    simulator.faults(fault="malformed_json_schema", rate=1.0)
    for row in gemini.rows(gemini.submit(asked)):
        with pytest.raises(json.JSONDecodeError):
            answer(row["response"])
    assert [answer(row["response"])["winner"] for row in gemini.rows(gemini.submit(lines(2)))] == ["Essay A"] * 2
    assert answer(gemini.generate(asked[0]["request"])) == {"winner": "Essay A"}


def test_a_flat_request_may_lose_its_schema() -> None:
    with forked_simulator(google_flat_requests="ignored") as simulator:
        client = Gemini(simulator.base_url)
        flat = {"contents": request()["contents"], "responseSchema": SCHEMA, "temperature": 1}
        [row] = client.rows(client.submit([line("flat", flat)]))
        with pytest.raises(json.JSONDecodeError):
            answer(row["response"])
        client.close()
