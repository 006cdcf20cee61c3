"""The simulator's Gemini API over plain HTTP: calls, files, and batches from upload to rows."""

# ruff: noqa: F811 - fixtures are imported, and arguments bear their names

import json
from typing import Any

import pytest

from simulator.control import SimulatorControl
from tests.contract.google_client import (  # noqa: F401 - the fixtures
    MODEL,
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


def test_a_call_is_answered_by_the_schema(gemini: Gemini, simulator: SimulatorControl) -> None:
    response = gemini.generate()
    assert answer(response)["winner"] == "Essay A"
    assert list(answer(response)) == ["winner", "justification", "confidence"]
    assert response["candidates"][0]["finishReason"] == "STOP"
    assert response["modelVersion"] == MODEL
    usage = response["usageMetadata"]
    assert usage["thoughtsTokenCount"] == 300
    assert "cachedContentTokenCount" not in usage
    assert usage["totalTokenCount"] == sum(usage[f"{name}TokenCount"] for name in ("prompt", "candidates", "thoughts"))
    [item] = simulator.items()
    assert (item["provider"], item["kind"], item["model"]) == ("google", "call", MODEL)
    assert item["source_id"] == response["responseId"]
    assert item["output_tokens"] == usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert item["cost_usd"] == pytest.approx((item["input_tokens"] * 0.75 + item["output_tokens"] * 3.75) / 1e6)


def test_without_an_ordering_the_keys_come_alphabetically(gemini: Gemini) -> None:
    schema = {name: value for name, value in SCHEMA.items() if name != "propertyOrdering"}
    assert list(answer(gemini.generate(request(responseSchema=schema)))) == ["confidence", "justification", "winner"]


def test_a_bundle_is_answered_under_its_keys(gemini: Gemini, simulator: SimulatorControl) -> None:
    keys = [f"c{n:02}" for n in range(1, 13)]
    text = "\n\n".join(prompt(0.9, 0.1, str(n)) if n % 2 else prompt(0.1, 0.9, str(n)) for n in range(12))
    bundle = {"type": "OBJECT", "properties": dict.fromkeys(keys, SCHEMA), "required": keys, "propertyOrdering": keys}
    given = answer(gemini.generate(request(text, responseSchema=bundle)))
    assert list(given) == keys
    assert [given[key]["winner"] for key in keys] == ["Essay B", "Essay A"] * 6
    assert [item["bundle_key"] for item in simulator.items()] == keys


def test_thoughts_eat_the_answer(gemini: Gemini) -> None:
    [candidate] = gemini.generate(request(maxOutputTokens=200))["candidates"]
    assert candidate == {"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}
    cut = gemini.generate(request(maxOutputTokens=310))
    assert cut["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert cut["candidates"][0]["content"]["parts"][0]["text"]
    assert cut["usageMetadata"]["candidatesTokenCount"] == 10
    low = gemini.generate(request(maxOutputTokens=200, thinkingConfig={"thinkingLevel": "LOW"}))
    assert low["candidates"][0]["finishReason"] == "STOP"
    assert low["usageMetadata"]["thoughtsTokenCount"] == 100


@pytest.mark.parametrize(
    ("model", "thinking", "taken"),
    [
        ("gemini-3.8-flash", {"thinkingLevel": "MINIMAL"}, False),
        ("gemini-3.7-flash", {"thinkingLevel": "MINIMAL"}, False),
        ("gemini-3.8-flash", {"thinkingLevel": "HIGH"}, True),
        ("gemini-3.5-flash-lite", {"thinkingLevel": "MINIMAL"}, True),
        ("gemini-2.5-flash", {"thinkingLevel": "LOW"}, False),
        ("gemini-2.5-flash", {"thinkingBudget": 0}, True),
        ("gemini-3.8-flash", {"thinkingLevel": "LOW", "thinkingBudget": 5}, False),
        ("gemini-3.8-flash", {"thinkingLevel": "ENORMOUS"}, False),
        ("gemini-3.8-flash", {"effort": "LOW"}, False),
    ],
)
def test_how_a_model_may_think(gemini: Gemini, model: str, thinking: dict[str, Any], taken: bool) -> None:
    answered = gemini.ask("POST", f"/v1beta/models/{model}:generateContent", json=request(thinkingConfig=thinking))
    assert answered.status_code == (200 if taken else 400)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contents": []},
        {"contents": [{"parts": [{"text": ""}]}]},
        {"contents": [{"role": "user", "parts": [{"inlineData": {}}]}]},
        {**request(), "config": {"temperature": 1}},
        {**request(), "responseSchema": SCHEMA},
        {**request(), "generation_config": {}},
        {**request(), "systemInstruction": "You judge."},
        {**request(), "tools": []},
        {**request(), "model": "models/gemini-3.7-flash"},
        request(temperature=2.1),
        request(maxOutputTokens=0),
        request(candidateCount=2),
        request(responseMimeType=None),
        request(responseJsonSchema={"type": "object"}),
        request(responseSchema={**SCHEMA, "additionalProperties": False}),
        request(responseSchema={**SCHEMA, "required": ["verdict"]}),
        request(responseSchema={**SCHEMA, "propertyOrdering": ["verdict"]}),
        request(responseSchema={"type": "OBJECT", "properties": {"winner": {"type": "INTEGER", "enum": [1, 2]}}}),
        request(responseSchema={"type": "OBJECT", "properties": {"winner": {"$ref": "#/$defs/winner"}}}),
        request(responseSchema={"type": "TABLE"}),
    ],
    ids=lambda body: json.dumps(body)[-60:],
)
def test_bad_requests(gemini: Gemini, body: dict[str, Any]) -> None:
    error = gemini.refused("POST", f"/v1beta/models/{MODEL}:generateContent", json=body)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert "details" not in error


def test_a_wrong_key_is_a_400_that_says_so(simulator: SimulatorControl) -> None:
    revoked, nobody = Gemini(simulator.base_url, "revoked"), Gemini(simulator.base_url, "")
    error = revoked.refused("GET", "/v1beta/models")
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["reason"] == "API_KEY_INVALID"
    assert nobody.refused("GET", "/v1beta/models")["status"] == "PERMISSION_DENIED"
    revoked.close()
    nobody.close()


def test_models(gemini: Gemini) -> None:
    assert f"models/{MODEL}" in [model["name"] for model in gemini.json("GET", "/v1beta/models")["models"]]
    assert gemini.json("GET", f"/v1beta/models/{MODEL}")["name"] == f"models/{MODEL}"
    assert gemini.refused("GET", "/v1beta/models/gemini-nobody")["status"] == "NOT_FOUND"
    path = "/v1beta/models/gemini-nobody:{}"
    for verb in ("generateContent", "batchGenerateContent", "streamGenerateContent"):
        assert gemini.refused("POST", path.format(verb), json=request())["code"] == 404


def test_an_upload_in_one_piece_and_in_two(gemini: Gemini) -> None:
    file = gemini.upload(b"{}\n", name="files/rb-job-1", displayName="rb job-1")
    assert (file["name"], file["displayName"], file["sizeBytes"]) == ("files/rb-job-1", "rb job-1", "3")
    assert file["mimeType"] == "application/jsonl"
    url = gemini.start().headers["x-goog-upload-url"]
    assert gemini.send(url, b"{", 1).status_code == 400
    assert gemini.send(url, b"{", command="upload").headers["x-goog-upload-status"] == "active"
    second = gemini.send(url, b"}", 1)
    assert (second.headers["x-goog-upload-status"], second.json()["file"]["sizeBytes"]) == ("final", "2")
    assert gemini.send(url, b"}", 2).status_code == 404


@pytest.mark.parametrize("name", ["rb-1", "files/RB", "files/-rb", "files/rb-", f"files/{'r' * 41}"])
def test_a_file_name_that_is_none(gemini: Gemini, name: str) -> None:
    assert gemini.start(name=name).json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_name_is_taken_once(gemini: Gemini) -> None:
    gemini.upload(b"{}\n", name="files/rb-job-1")
    assert gemini.start(name="files/rb-job-1").json()["error"]["status"] == "ALREADY_EXISTS"


def test_files_are_listed_by_page_and_deleted(gemini: Gemini, simulator: SimulatorControl) -> None:
    assert gemini.json("GET", "/v1beta/files") == {}
    names = [gemini.upload(b"{}\n")["name"] for _ in range(3)][::-1]
    first = gemini.json("GET", "/v1beta/files", params={"pageSize": 2})
    rest = gemini.json("GET", "/v1beta/files", params={"pageSize": 2, "pageToken": first["nextPageToken"]})
    assert [file["name"] for file in first["files"] + rest["files"]] == names
    assert "nextPageToken" not in rest
    assert gemini.json("DELETE", f"/v1beta/{names[0]}") == {}
    assert gemini.refused("GET", f"/v1beta/{names[0]}")["status"] == "NOT_FOUND"
    assert gemini.download(names[1]).status_code == 400
    simulator.advance(48 * 3600)
    assert gemini.json("GET", "/v1beta/files") == {}


def test_a_batch_from_upload_to_rows(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.hold(provider="google")
    file = gemini.upload(lines(12), displayName="rb")
    created = gemini.create(file["name"]).json()
    assert created["metadata"]["state"] == "BATCH_STATE_PENDING"
    name = created["name"]
    running = gemini.get(name)
    assert "done" not in running
    assert running["metadata"]["state"] == "BATCH_STATE_RUNNING"
    assert running["metadata"]["batchStats"] == {"requestCount": "12", "pendingRequestCount": "12"}
    assert running["metadata"]["inputConfig"] == {"fileName": file["name"]}
    assert running["metadata"]["displayName"] == "job-1"
    assert running["metadata"]["model"] == f"models/{MODEL}"
    assert simulator.finish(batch_id=name) == [name]
    ended = gemini.get(name)
    assert ended["done"]
    assert ended["metadata"]["state"] == "BATCH_STATE_SUCCEEDED"
    assert ended["metadata"]["batchStats"] == {"requestCount": "12", "successfulRequestCount": "12"}
    assert ended["metadata"]["endTime"] >= ended["metadata"]["createTime"]
    rows = gemini.rows(name)
    keys = [f"job-1-{n}" for n in range(12)]
    assert sorted(row["key"] for row in rows) == sorted(keys)
    assert [row["key"] for row in rows] != keys
    for row in rows:
        assert set(row) == {"key", "response"}
        assert answer(row["response"])["winner"] == "Essay A"
    ledger = simulator.ledger()
    assert (ledger["batches"], ledger["batch_items_paid"], ledger["batch_items_paid_twice"]) == (1, 12, 0)
    assert ledger["cost_usd"] == pytest.approx(ledger["cost_single_usd"] / 2)
    assert ledger["http_by_endpoint"]["google.files.start"] == ledger["http_by_endpoint"]["google.files.create"] == 1


def test_a_model_without_a_price_for_batches_costs_the_full_one(gemini: Gemini, simulator: SimulatorControl) -> None:
    gemini.get(gemini.submit(lines(2), model="gemini-3.7-flash"))
    ledger = simulator.ledger()
    assert ledger["cost_usd"] == pytest.approx(ledger["cost_single_usd"])


def test_the_same_file_created_twice_is_paid_twice(gemini: Gemini, simulator: SimulatorControl) -> None:
    file = gemini.upload(lines(3))
    first, second = (gemini.create(file["name"]).json()["name"] for _ in range(2))
    assert first != second
    assert simulator.ledger()["batch_items_paid_twice"] == 3


def test_an_inline_batch_carries_its_rows(gemini: Gemini) -> None:
    requests = [{"request": request(prompt(more=str(n))), "metadata": {"key": f"job-1-{n}"}} for n in range(3)]
    body = {"batch": {"displayName": "job-1", "inputConfig": {"requests": {"requests": requests}}}}
    name = gemini.json("POST", f"/v1beta/models/{MODEL}:batchGenerateContent", json=body)["name"]
    [listed] = gemini.json("GET", "/v1beta/batches", params={"pageSize": 100})["operations"]
    rows = listed["metadata"]["output"]["inlinedResponses"]["inlinedResponses"]
    assert {row["metadata"]["key"] for row in rows} == {"job-1-0", "job-1-1", "job-1-2"}
    assert listed["name"] == name
    assert "inputConfig" not in listed["metadata"]


def test_the_list_is_newest_first_and_wants_a_page_size(gemini: Gemini) -> None:
    assert gemini.json("GET", "/v1beta/batches", params={"pageSize": 100}) == {}
    names = [gemini.submit(lines(1), f"job-{n}") for n in range(5)][::-1]
    assert gemini.json("GET", "/v1beta/batches") == {}
    first = gemini.json("GET", "/v1beta/batches", params={"pageSize": 3})
    rest = gemini.json("GET", "/v1beta/batches", params={"pageSize": 3, "pageToken": first["nextPageToken"]})
    assert [operation["name"] for operation in first["operations"] + rest["operations"]] == names
    assert [operation["metadata"]["displayName"] for operation in rest["operations"]] == ["job-1", "job-0"]
    assert "nextPageToken" not in rest
    assert gemini.refused("GET", "/v1beta/batches", params={"pageSize": 3, "filter": "x"})["code"] == 400


def test_a_mask_leaves_what_it_names(gemini: Gemini) -> None:
    name = gemini.submit(lines(1))
    fields = "operations.name,operations.metadata.displayName,nextPageToken"
    shown = gemini.json("GET", "/v1beta/batches", params={"pageSize": 9, "fields": fields})
    assert shown == {"operations": [{"name": name, "metadata": {"displayName": "job-1"}}]}


def test_a_mask_may_be_refused() -> None:
    with forked_simulator(google_fields=False) as simulator:
        client = Gemini(simulator.base_url)
        assert client.refused("GET", "/v1beta/batches", params={"pageSize": 9, "fields": "operations.name"})["code"] == 400
        client.close()


def test_a_cancelled_batch_gives_nothing(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.hold()
    name = gemini.submit(lines(4))
    simulator.work(name, 2)
    assert gemini.json("POST", f"/v1beta/{name}:cancel", json={}) == {}
    cancelled = gemini.get(name)
    assert cancelled["done"]
    assert cancelled["metadata"]["state"] == "BATCH_STATE_CANCELLED"
    assert "output" not in cancelled["metadata"]
    assert "response" not in cancelled
    assert simulator.ledger()["items_paid"] == 0
    assert gemini.json("POST", f"/v1beta/{name}:cancel", json={}) == {}


def test_a_batch_expires_after_two_days_without_rows(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.hold()
    name = gemini.submit(lines(4))
    simulator.work(name, 2)
    simulator.advance(47 * 3600)
    assert gemini.state(name) == "BATCH_STATE_RUNNING"
    simulator.advance(3600)
    expired = gemini.get(name)
    assert expired["metadata"]["state"] == "BATCH_STATE_EXPIRED"
    assert "output" not in expired["metadata"]
    assert simulator.ledger()["items_paid"] == 0


def test_deleting_hides_a_batch_and_does_not_stop_it(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.hold()
    name = gemini.submit(lines(2))
    assert gemini.json("DELETE", f"/v1beta/{name}") == {}
    assert gemini.refused("GET", f"/v1beta/{name}")["status"] == "NOT_FOUND"
    assert gemini.json("GET", "/v1beta/batches", params={"pageSize": 9}) == {}
    simulator.finish()
    assert simulator.ledger()["items_paid"] == 2


def test_keys_of_a_project_see_its_batches_alone(gemini: Gemini, simulator: SimulatorControl) -> None:
    name = gemini.submit(lines(1))
    same, other = Gemini(simulator.base_url, "another-key"), Gemini(simulator.base_url, "other-key")
    assert same.state(name) == "BATCH_STATE_SUCCEEDED"
    assert other.refused("GET", f"/v1beta/{name}")["status"] == "NOT_FOUND"
    assert other.json("GET", "/v1beta/batches", params={"pageSize": 9}) == {}
    same.close()
    other.close()


def test_a_bad_request_fails_its_row_alone(gemini: Gemini) -> None:
    flat = {"contents": request()["contents"], "config": {"responseSchema": SCHEMA}}
    name = gemini.submit([line("good"), line("flat", flat), line("odd", request(temperature=3))])
    assert gemini.get(name)["metadata"]["batchStats"] == {
        "requestCount": "3",
        "successfulRequestCount": "1",
        "failedRequestCount": "2",
    }
    rows = {row["key"]: row for row in gemini.rows(name)}
    assert answer(rows["good"]["response"])["winner"] == "Essay A"
    assert rows["flat"]["error"]["code"] == rows["odd"]["error"]["code"] == 3
    assert '"config"' in rows["flat"]["error"]["message"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{\n", b"[]\n", json.dumps({"key": "a"}).encode(), json.dumps({"key": "", "request": request()}).encode()],
)
def test_a_bad_file_fails_the_batch(gemini: Gemini, content: bytes) -> None:
    failed = gemini.get(gemini.submit(content))
    assert failed["done"]
    assert failed["metadata"]["state"] == "BATCH_STATE_FAILED"
    assert failed["error"]["code"] == 3


def test_a_key_that_occurs_twice_fails_the_batch(gemini: Gemini) -> None:
    assert "twice" in gemini.get(gemini.submit([line("a"), line("a")]))["error"]["message"]


def test_the_input_file_must_be_there(gemini: Gemini) -> None:
    assert gemini.create("files/nothing").json()["error"]["status"] == "NOT_FOUND"


def test_everything_is_under_the_gateway_too(simulator: SimulatorControl) -> None:
    client = Gemini(f"{simulator.base_url}/gateway")
    url = client.start().headers["x-goog-upload-url"]
    assert url.startswith(f"{simulator.base_url}/gateway/upload/v1beta/files?upload_id=")
    assert [answer(row["response"])["winner"] for row in client.rows(client.submit(lines(2)))] == ["Essay A"] * 2
    client.close()
