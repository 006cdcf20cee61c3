"""What the simulator's Gemini API does wrong with batches when it is told to, and what can be set either way."""

# ruff: noqa: F811 - fixtures are imported, and arguments bear their names

from typing import Any

import httpx2
import pytest

from simulator.control import SimulatorControl
from tests.contract.google_client import (  # noqa: F401 - the fixtures
    Gemini,
    answer,
    gemini,
    lines,
    process,
    reasons,
)
from tests.harness.forked import forked_simulator
from tests.waiting import NO_ANSWER_S, until

LIST = ("GET", "/v1beta/batches")
ALL = {"pageSize": 100}


# Create, and whether it happened


def test_a_create_that_never_answers_has_happened(gemini: Gemini, simulator: SimulatorControl) -> None:
    file = gemini.upload(lines(2))
    simulator.faults(fault="hang", next=1, endpoint="batches.create")
    gemini.http.timeout = httpx2.Timeout(NO_ANSWER_S)
    with pytest.raises(httpx2.ReadTimeout):
        gemini.create(file["name"])
    gemini.http.timeout = httpx2.Timeout(20)
    until(lambda: "operations" in gemini.json(*LIST, params=ALL), "the batch is listed")
    [listed] = gemini.json(*LIST, params=ALL)["operations"]
    assert listed["metadata"]["displayName"] == "job-1"
    assert simulator.ledger()["batches"] == 1


def test_a_create_that_is_answered_with_503_has_happened(gemini: Gemini, simulator: SimulatorControl) -> None:
    file = gemini.upload(lines(2))
    simulator.faults(fault="status_after", status=503, next=1)
    assert gemini.create(file["name"]).json()["error"]["status"] == "UNAVAILABLE"
    assert len(gemini.json(*LIST, params=ALL)["operations"]) == 1
    ledger = simulator.ledger()
    assert (ledger["batches"], ledger["batch_items_paid"], ledger["http_by_status"]["503"]) == (1, 2, 1)


def test_a_create_that_is_answered_with_503_and_has_not_happened(gemini: Gemini, simulator: SimulatorControl) -> None:
    file = gemini.upload(lines(2))
    simulator.faults(fault="status", status=503, next=1, endpoint="batches.create")
    assert gemini.create(file["name"]).status_code == 503
    assert simulator.ledger()["batches"] == 0


def test_the_429_of_a_create_has_help_alone(gemini: Gemini, simulator: SimulatorControl) -> None:
    file = gemini.upload(lines(2))
    simulator.faults(fault="status", status=429, next=1, endpoint="batches.create")
    assert reasons(gemini.create(file["name"]).json()["error"]) == ["Help"]


@pytest.mark.parametrize("settings", [{"google_enqueued_tokens": 200}, {"google_batches_at_once": 1}])
def test_too_much_under_way_is_a_429(settings: dict[str, Any]) -> None:
    with forked_simulator(hold=True, **settings) as simulator:
        client = Gemini(simulator.base_url)
        file = client.upload(lines(3))
        first = client.create(file["name"]).json()["name"]
        refused = client.create(file["name"])
        assert refused.status_code == 429
        assert reasons(refused.json()["error"]) == ["Help"]
        simulator.finish(batch_id=first)
        assert client.create(file["name"]).status_code == 200
        client.close()


def test_the_list_lags(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(fault="list_lag", next=1, stall_s=100)
    name = gemini.submit(lines(1))
    assert gemini.json(*LIST, params=ALL) == {}
    assert gemini.state(name) == "BATCH_STATE_SUCCEEDED"
    simulator.advance(100)
    assert [operation["name"] for operation in gemini.json(*LIST, params=ALL)["operations"]] == [name]


def test_the_list_in_another_order(gemini: Gemini, simulator: SimulatorControl) -> None:
    names = [gemini.submit(lines(1)) for _ in range(3)]
    simulator.faults(fault="odd_list", next=1)
    shown = [[each["name"] for each in gemini.json(*LIST, params=ALL)["operations"]] for _ in range(2)]
    assert shown == [names, names[::-1]]


def test_a_key_that_sees_nothing(gemini: Gemini, simulator: SimulatorControl) -> None:
    name = gemini.submit(lines(1))
    simulator.faults(fault="sees_nothing", rate=1.0)
    assert gemini.json(*LIST, params=ALL) == gemini.json("GET", "/v1beta/files") == {}
    assert gemini.ask("GET", f"/v1beta/{name}").status_code == 404


@pytest.mark.parametrize("kind", ["unknown_file", "file_gone"])
def test_the_input_file_is_not_found(gemini: Gemini, simulator: SimulatorControl, kind: str) -> None:
    file = gemini.upload(lines(1))
    simulator.faults(fault=kind, next=1)
    assert gemini.create(file["name"]).json()["error"]["status"] == "NOT_FOUND"
    assert gemini.create(file["name"]).status_code == (404 if kind == "file_gone" else 200)


def test_an_upload_that_is_to_go_elsewhere(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(fault="elsewhere", next=1)
    url = httpx2.URL(gemini.start().headers["x-goog-upload-url"])
    assert url.host.endswith(".invalid")
    assert gemini.send(url.raw_path.decode(), b"{}").json()["file"]["sizeBytes"] == "2"


# How a batch ends


def test_succeeded_before_the_output_is_named(gemini: Gemini, simulator: SimulatorControl) -> None:
    name = gemini.submit(lines(2))
    simulator.faults(fault="file_late", next=1)
    early = gemini.get(name)
    assert (early["done"], early["metadata"]["state"]) == (True, "BATCH_STATE_SUCCEEDED")
    assert "output" not in early["metadata"]
    assert len(gemini.rows(name)) == 2


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"variant": "job_state"}, "JOB_STATE_SUCCEEDED"),
        ({"variant": "unknown_state"}, "BATCH_STATE_PARTIALLY_SUCCEEDED"),
        ({"variant": "unknown_state", "reason": "BATCH_STATE_PAUSED"}, "BATCH_STATE_PAUSED"),
    ],
)
def test_other_words_for_a_state(gemini: Gemini, simulator: SimulatorControl, fault: dict[str, Any], state: str) -> None:
    name = gemini.submit(lines(1))
    simulator.faults({"fault": "odd_operation", "rate": 1.0, **fault})
    assert gemini.state(name) == state
    [listed] = gemini.json(*LIST, params=ALL)["operations"]
    assert listed["metadata"]["state"] == state


def test_the_output_in_another_place(gemini: Gemini, simulator: SimulatorControl) -> None:
    name = gemini.submit(lines(1))
    simulator.faults(fault="odd_operation", variant="response_only", next=1)
    operation = gemini.get(name)
    assert "output" not in operation["metadata"]
    assert gemini.download(operation["response"]["responsesFile"]).status_code == 200


def test_a_batch_that_fails(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(
        {"fault": "failed_validation", "next": 1}, {"fault": "failed_validation", "next": 1, "code": "13", "message": "Oh."}
    )
    for error in ({"code": 8, "message": "Simulated failure of a batch: 8."}, {"code": 13, "message": "Oh."}):
        failed = gemini.get(gemini.submit(lines(2)))
        assert (failed["done"], failed["metadata"]["state"]) == (True, "BATCH_STATE_FAILED")
        assert failed["error"] == error
    assert simulator.ledger()["items_paid"] == 0
    assert {batch["status"] for batch in simulator.batches()} == {"failed"}


@pytest.mark.parametrize("charged", [False, True])
def test_work_whose_rows_nobody_sees(charged: bool) -> None:
    with forked_simulator(google_charges_lost_rows=charged, hold=True) as simulator:
        client = Gemini(simulator.base_url)
        failing = {"fault": "failed_validation", "variant": "at_end", "next": 1}
        simulator.faults(failing)
        failed, cancelled, expired = (client.submit(lines(4)) for _ in range(3))
        assert client.state(failed) == "BATCH_STATE_RUNNING"
        simulator.finish(batch_id=failed)
        assert client.get(failed)["error"]["code"] == 8
        for name in (cancelled, expired):
            simulator.work(name, 2)
        client.json("POST", f"/v1beta/{cancelled}:cancel")
        simulator.advance(48 * 3600)
        for name in (failed, cancelled, expired):
            assert "output" not in client.get(name)["metadata"]
        assert [item["outcome"] for item in simulator.items()] == (["lost"] * 8 if charged else [])
        assert simulator.ledger()["batch_items_paid_twice"] == 0
        client.close()


def test_a_cancelled_batch_may_run_on(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.hold()
    name = gemini.submit(lines(2))
    simulator.faults(fault="cancelled_runs_on", next=1)
    gemini.json("POST", f"/v1beta/{name}:cancel")
    cancelled = gemini.get(name)
    assert (cancelled["done"], cancelled["metadata"]["state"]) == (True, "BATCH_STATE_CANCELLED")
    assert "endTime" in cancelled["metadata"]
    assert "output" not in cancelled["metadata"]
    simulator.finish()
    assert gemini.state(name) == "BATCH_STATE_SUCCEEDED"
    assert len(gemini.rows(name)) == 2


def test_deleting_may_stop_the_work() -> None:
    with forked_simulator(google_delete_stops=True, hold=True) as simulator:
        client = Gemini(simulator.base_url)
        client.json("DELETE", f"/v1beta/{client.submit(lines(2))}")
        simulator.finish()
        assert simulator.ledger()["items_paid"] == 0
        client.close()


def test_one_expired_row_takes_the_whole_batch(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(fault="expired", next=1)
    assert gemini.state(gemini.submit(lines(3))) == "BATCH_STATE_EXPIRED"
    assert simulator.ledger()["items_paid"] == 0


@pytest.mark.parametrize(
    ("variant", "stats"),
    [
        ("high", {"requestCount": "4", "successfulRequestCount": "4"}),
        ("low", {"requestCount": "1", "successfulRequestCount": "1"}),
        ("zero", {}),
        ("absent", None),
    ],
)
def test_odd_counts(gemini: Gemini, simulator: SimulatorControl, variant: str, stats: Any) -> None:
    name = gemini.submit(lines(3))
    simulator.faults(fault="odd_counts", next=1, variant=variant)
    assert gemini.get(name)["metadata"].get("batchStats") == stats


def test_faults_of_one_provider_leave_the_others_alone(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(fault="refused", rate=1.0, provider="anthropic")
    assert answer(gemini.generate())["winner"] == "Essay A"
    simulator.hold(provider="google")
    name = gemini.submit(lines(1))
    assert gemini.state(name) == "BATCH_STATE_RUNNING"
    assert simulator.release(provider="openai") == []
    assert simulator.release(provider="google") == [name]
