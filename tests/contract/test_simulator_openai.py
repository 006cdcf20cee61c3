"""OpenAI's API as its own SDK meets it: the simulator, and a live account where `ROUNDBATCH_LIVE=1` and a key are set."""

# ruff: noqa: F811 - fixtures are imported, and arguments bear their names

import json

import openai
import pytest
from openai.types.chat import ChatCompletion

from simulator.control import SimulatorControl
from tests.contract.openai_client import (  # noqa: F401 - the fixtures
    MODEL,
    SCHEMA,
    answer,
    anyone,
    body,
    client,
    client_of,
    line,
    lines,
    process,
    response_format,
    rows_of,
    submit,
)
from tests.harness.forked import forked_simulator


def test_completion_with_schema(anyone: openai.OpenAI) -> None:
    raw = anyone.chat.completions.with_raw_response.create(**body())
    completion = raw.parse()
    verdict = answer(completion)
    assert verdict["winner"] in ("Essay A", "Essay B")
    assert set(verdict) == {"winner", "justification", "confidence"}
    assert completion.choices[0].finish_reason == "stop"
    assert completion.choices[0].message.refusal is None
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion.usage.prompt_tokens_details is not None
    assert raw.headers["x-request-id"].startswith("req_")
    for name in ("requests", "tokens"):
        for part in ("limit", "remaining", "reset"):
            assert f"x-ratelimit-{part}-{name}" in raw.headers


def test_unknown_field_is_refused(anyone: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        anyone.chat.completions.create(**body(), extra_body={"no_such_field": 1})
    assert refused.value.type == "invalid_request_error"
    assert "no_such_field" in refused.value.message


def test_schema_without_required_is_refused(anyone: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        anyone.chat.completions.create(**body(response_format=response_format({**SCHEMA, "required": ["winner"]})))
    assert refused.value.param == "response_format"


def test_unknown_model(anyone: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        anyone.chat.completions.create(**body(model="gpt-nobody-9"))
    assert refused.value.code == "model_not_found"


def test_batch_is_created_listed_and_cancelled(anyone: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.hold()
    batch = submit(anyone, lines(2), metadata={"job": "job-1"})
    assert batch.status == "validating"
    assert batch.completion_window == "24h"
    assert batch.expires_at is not None
    assert batch.expires_at - batch.created_at == 24 * 3600
    [listed] = [each for each in anyone.batches.list(limit=5).data if each.id == batch.id]
    assert listed.metadata == {"job": "job-1"}
    assert listed.input_file_id == batch.input_file_id
    assert anyone.batches.cancel(batch.id).status == "cancelling"


def test_batch_of_an_unknown_file(anyone: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        anyone.batches.create(input_file_id="file-nothing", endpoint="/v1/chat/completions", completion_window="24h")


def test_model_is_known(anyone: openai.OpenAI) -> None:
    assert anyone.models.retrieve(MODEL).object == "model"
    assert MODEL in [model.id for model in anyone.models.list()]


# What only a simulator can be made to do.


def test_batch_from_upload_to_output(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.hold()
    created = submit(client, lines(12), metadata={"job": "job-1"})
    running = client.batches.retrieve(created.id)
    assert running.status == "in_progress"
    assert running.request_counts is not None
    assert running.request_counts.total == 12
    assert running.output_file_id is None
    assert simulator.finish() == [created.id]
    ended = client.batches.retrieve(created.id)
    assert ended.status == "completed"
    assert ended.error_file_id is None
    assert ended.request_counts is not None
    assert ended.request_counts.to_dict() == {"total": 12, "completed": 12, "failed": 0}
    rows = rows_of(client, ended.output_file_id)
    assert sorted(rows) == sorted(f"job-1-{n}" for n in range(12))
    assert list(rows) != [f"job-1-{n}" for n in range(12)]
    for row in rows.values():
        assert row["error"] is None
        assert row["response"]["status_code"] == 200
        assert answer(ChatCompletion.model_validate(row["response"]["body"]))["winner"] == "Essay A"
    assert client.files.retrieve(str(ended.output_file_id)).purpose == "batch_output"

    ledger = simulator.ledger()
    assert ledger["batch_items_paid"] == ledger["items_paid"] == 12
    assert ledger["batch_items_paid_twice"] == 0
    assert ledger["cost_usd"] == pytest.approx(ledger["cost_single_usd"] / 2)
    usage = [row["response"]["body"]["usage"] for row in rows.values()]
    assert ledger["input_tokens"] == sum(each["prompt_tokens"] for each in usage)
    assert ledger["http_by_endpoint"]["openai.files.create"] == 1


def test_counts_move_while_it_runs() -> None:
    with forked_simulator(batch_duration_s=1000, validation_s=10) as slow, client_of(slow) as client:
        batch = submit(client, lines(10))
        assert client.batches.retrieve(batch.id).status == "validating"
        slow.advance(515)
        running = client.batches.retrieve(batch.id)
        assert running.status == "in_progress"
        assert running.request_counts is not None
        assert running.request_counts.completed == 5
        client.batches.cancel(batch.id)
        ended = client.batches.retrieve(batch.id)
        # Cancelled batches keep their paid partial output; the rows that were not done are in neither file.
        assert ended.status == "cancelled"
        assert len(rows_of(client, ended.output_file_id)) == 5
        assert ended.error_file_id is None
        assert slow.ledger()["items_paid"] == 5
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(batch.id)


def test_batch_expires_after_a_day() -> None:
    with forked_simulator(batch_duration_s=2 * 24 * 3600) as slow, client_of(slow) as client:
        batch = submit(client, lines(10))
        slow.advance(24 * 3600)
        ended = client.batches.retrieve(batch.id)
        assert ended.status == "expired"
        assert len(rows_of(client, ended.output_file_id)) == 5
        errors = rows_of(client, ended.error_file_id)
        assert len(errors) == 5
        for row in errors.values():
            assert row["response"] is None
            assert row["error"]["code"] == "batch_expired"
        assert slow.ledger()["items_paid"] == 5


def test_rows_that_fail(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.faults(
        {"fault": "errored", "next": 1, "error_type": "server_error"},
        {"fault": "missing", "next": 1},
        {"fault": "refused", "next": 1},
        {"fault": "cut", "next": 1},
        {"fault": "invalid", "next": 1, "variant": "justification_long"},
        {"fault": "status_zero", "next": 1},
    )
    batch = client.batches.retrieve(submit(client, lines(7)).id)
    assert batch.status == "completed"
    output, errors = rows_of(client, batch.output_file_id), rows_of(client, batch.error_file_id)
    assert set(output) == {f"job-1-{n}" for n in (2, 3, 4, 6)}
    assert set(errors) == {"job-1-0", "job-1-5"}
    assert errors["job-1-0"]["error"] is None
    assert errors["job-1-0"]["response"]["status_code"] == 500
    assert errors["job-1-0"]["response"]["body"]["error"]["type"] == "server_error"
    assert errors["job-1-5"]["response"] == {"status_code": 0, "request_id": "", "body": {}}

    def completion(n: int) -> ChatCompletion:
        return ChatCompletion.model_validate(output[f"job-1-{n}"]["response"]["body"])

    assert completion(2).choices[0].message.content is None
    assert completion(2).choices[0].message.refusal
    assert completion(3).choices[0].finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        answer(completion(3))
    assert len(answer(completion(4))["justification"]) >= 600
    assert answer(completion(6))["winner"] == "Essay A"
    assert sorted(item["outcome"] for item in simulator.items()) == ["cut", "invalid", "ok", "refused"]


def test_expired_rows_make_an_expired_batch(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.faults(fault="expired", next=1)
    batch = client.batches.retrieve(submit(client, lines(3)).id)
    assert batch.status == "expired"
    assert rows_of(client, batch.error_file_id)["job-1-0"]["error"]["code"] == "batch_expired"
    assert len(rows_of(client, batch.output_file_id)) == 2


def test_completed_with_every_row_failed_has_no_output(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.faults(fault="errored", rate=1.0, error_type="rate_limit_error")
    batch = client.batches.retrieve(submit(client, lines(3)).id)
    assert (batch.status, batch.output_file_id) == ("completed", None)
    statuses = [row["response"]["status_code"] for row in rows_of(client, batch.error_file_id).values()]
    assert statuses == [429, 429, 429]
    assert simulator.ledger()["items_paid"] == 0


def test_bad_body_fails_its_row_alone(client: openai.OpenAI) -> None:
    batch = submit(client, [line("good"), line("bad", body(no_such_field=1)), line("odd", body(temperature=3))])
    ended = client.batches.retrieve(batch.id)
    assert set(rows_of(client, ended.output_file_id)) == {"good"}
    errors = rows_of(client, ended.error_file_id)
    assert {row["response"]["status_code"] for row in errors.values()} == {400}
    assert errors["bad"]["response"]["body"]["error"]["code"] == "unknown_parameter"
