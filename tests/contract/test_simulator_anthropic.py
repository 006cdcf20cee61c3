"""Anthropic's API as its own SDK meets it: the simulator, and a live account where `ROUNDBATCH_LIVE=1` and a key are set."""

# ruff: noqa: F811 - fixtures are imported, and arguments bear their names

import json
from typing import Any

import anthropic
import pytest
from anthropic.types import Message

from simulator.control import SimulatorControl
from tests.contract.anthropic_client import (  # noqa: F401 - the fixtures
    MODEL,
    SCHEMA,
    answer,
    anyone,
    client,
    client_of,
    params,
    process,
    prompt,
    requests,
    results_of,
)
from tests.harness.forked import forked_simulator


def test_message_with_schema(anyone: anthropic.Anthropic) -> None:
    raw = anyone.messages.with_raw_response.create(**params())
    message = raw.parse()
    verdict = answer(message)
    assert verdict["winner"] in ("Essay A", "Essay B")
    assert set(verdict) == {"winner", "justification", "confidence"}
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert raw.headers["request-id"].startswith("req_")
    for name in ("requests", "tokens", "input-tokens", "output-tokens"):
        for part in ("limit", "remaining", "reset"):
            assert f"anthropic-ratelimit-{name}-{part}" in raw.headers


@pytest.mark.parametrize(
    "extra",
    [{"temperature": 0.1}, {"top_p": 0.5}, {"top_k": 3}, {"no_such_field": 1}],
    ids=lambda extra: next(iter(extra)),
)
def test_field_is_refused(anyone: anthropic.Anthropic, extra: dict[str, Any]) -> None:
    with pytest.raises(anthropic.BadRequestError) as refused:
        anyone.messages.create(**params(), extra_body=extra)
    assert refused.value.type == "invalid_request_error"
    assert next(iter(extra)) in str(refused.value)


def test_schema_with_a_minimum_is_refused(anyone: anthropic.Anthropic) -> None:
    properties = {**SCHEMA["properties"], "confidence": {"type": "integer", "minimum": 1}}
    config = {"format": {"type": "json_schema", "schema": {**SCHEMA, "properties": properties}}}
    with pytest.raises(anthropic.BadRequestError, match="minimum"):
        anyone.messages.create(**params(output_config=config))


def test_unknown_model(anyone: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as refused:
        anyone.messages.create(**params(model="claude-nobody-9"))
    assert refused.value.type == "not_found_error"


@pytest.mark.parametrize("ids", [["a b"], ["x" * 65], ["same", "same"]], ids=["space", "long", "twice"])
def test_custom_ids_are_refused_at_once(anyone: anthropic.Anthropic, ids: list[str]) -> None:
    with pytest.raises(anthropic.BadRequestError, match="custom_id"):
        anyone.messages.batches.create(requests=[{"custom_id": name, "params": params()} for name in ids])


def test_batch_is_created_listed_and_cancelled(anyone: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.hold()
    batch = anyone.messages.batches.create(requests=requests(2))
    assert batch.processing_status == "in_progress"
    assert batch.request_counts.to_dict() == {
        "processing": 2,
        "succeeded": 0,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    }
    assert batch.results_url is None
    assert (batch.expires_at - batch.created_at).total_seconds() == 24 * 3600
    assert batch.id in [listed.id for listed in anyone.messages.batches.list(limit=5).data]
    cancelled = anyone.messages.batches.cancel(batch.id)
    assert cancelled.processing_status in ("canceling", "ended")
    assert cancelled.cancel_initiated_at is not None


def test_models(anyone: anthropic.Anthropic) -> None:
    model = anyone.models.retrieve(MODEL)
    assert model.lifecycle == "active"
    assert model.capabilities is not None
    assert model.capabilities.batch.supported
    assert model.capabilities.structured_outputs.supported
    assert MODEL in [listed.id for listed in anyone.models.list()]


# What only a simulator can be made to do.


def test_batch_from_create_to_results(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.hold()
    created = client.messages.batches.create(requests=requests(12))
    running = client.messages.batches.retrieve(created.id)
    assert running.processing_status == "in_progress"
    assert running.request_counts.processing == 12
    assert running.request_counts.succeeded == 0
    with pytest.raises(anthropic.AnthropicError, match="results_url"):
        client.messages.batches.results(created.id)
    assert simulator.ledger()["items_paid"] == 0

    assert simulator.finish() == [created.id]
    ended = client.messages.batches.retrieve(created.id)
    assert ended.processing_status == "ended"
    assert ended.ended_at is not None
    assert ended.request_counts.succeeded == 12
    assert ended.request_counts.processing == 0
    assert ended.results_url == f"{simulator.base_url}/v1/messages/batches/{created.id}/results"
    rows = list(client.messages.batches.results(created.id))
    ids = [row.custom_id for row in rows]
    assert sorted(ids) == sorted(f"job-1-{n}" for n in range(12))
    assert ids != [f"job-1-{n}" for n in range(12)]
    for row in rows:
        assert row.result.type == "succeeded"
        assert row.result.message.model == MODEL
        assert row.result.message.usage.service_tier == "batch"
        assert answer(row.result.message)["winner"] == "Essay A"

    ledger = simulator.ledger()
    assert ledger["batch_items_paid"] == ledger["items_paid"] == 12
    assert ledger["batches"] == 1
    assert ledger["batch_items_paid_twice"] == 0
    assert ledger["cost_usd"] == pytest.approx(ledger["cost_single_usd"] / 2)
    usage = [row.result.message.usage for row in rows if row.result.type == "succeeded"]
    assert ledger["input_tokens"] == sum(u.input_tokens for u in usage)
    assert ledger["output_tokens"] == sum(u.output_tokens for u in usage)
    assert ledger["http_by_endpoint"]["anthropic.batches.create"] == 1


def test_rows_that_fail(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.faults(
        {"fault": "expired", "next": 1},
        {"fault": "errored", "next": 1, "error_type": "overloaded_error"},
        {"fault": "missing", "next": 1},
        {"fault": "refused", "next": 1},
        {"fault": "cut", "next": 1},
        {"fault": "invalid", "next": 1, "variant": "winner_case"},
        provider="openai",
        fault="expired",
        next=5,
    )
    batch = client.messages.batches.create(requests=requests(7))
    rows = results_of(client, batch.id)
    assert set(rows) == {f"job-1-{n}" for n in (0, 1, 3, 4, 5, 6)}
    kinds = [rows[f"job-1-{n}"].result.type for n in (0, 1, 3, 4, 5, 6)]
    assert kinds == ["expired", "errored", "succeeded", "succeeded", "succeeded", "succeeded"]
    errored = rows["job-1-1"].result
    assert errored.type == "errored"
    assert errored.error.error.type == "overloaded_error"

    def message(n: int) -> Message:
        result = rows[f"job-1-{n}"].result
        assert result.type == "succeeded"
        return result.message

    assert message(3).stop_reason == "refusal"
    assert message(3).stop_details is not None
    assert message(4).stop_reason == "max_tokens"
    with pytest.raises(json.JSONDecodeError):
        answer(message(4))
    assert answer(message(5))["winner"] == "essay a"
    assert answer(message(6))["winner"] == "Essay A"

    counts = client.messages.batches.retrieve(batch.id).request_counts
    assert (counts.expired, counts.errored, counts.succeeded) == (1, 1, 4)  # the missing row is not counted
    assert sorted(item["outcome"] for item in simulator.items()) == ["cut", "invalid", "ok", "refused"]


def test_bad_params_show_only_in_the_results(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    wanted = requests(2)
    wanted[1]["params"]["temperature"] = 0.5
    batch = client.messages.batches.create(requests=wanted)
    result = results_of(client, batch.id)["job-1-1"].result
    assert result.type == "errored"
    assert result.error.error.type == "invalid_request_error"
    assert "temperature" in result.error.error.message
    assert simulator.ledger()["items_paid"] == 1


def test_tags_in_a_prompt(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    tags = {"refuse": "succeeded", "invalid": "succeeded", "error": "errored", "400": "errored", "expire": "expired"}
    batch = client.messages.batches.create(
        requests=[{"custom_id": tag, "params": params(prompt(more=f"[sim:{tag}]"))} for tag in tags]
    )
    rows = results_of(client, batch.id)
    assert {name: row.result.type for name, row in rows.items()} == tags
    assert rows["error"].result.error.error.type == "api_error"  # type: ignore[union-attr]
    assert rows["400"].result.error.error.type == "invalid_request_error"  # type: ignore[union-attr]
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(**params(prompt(more="[sim:400]")))
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(**params(prompt(more="[sim:error]")))
    assert client.messages.create(**params(prompt(more="[sim:refuse]"))).stop_reason == "refusal"
    assert answer(client.messages.create(**params(prompt(more="[sim:invalid]"))))["winner"] == "Essay C"
    # What expires in a batch is answered by a call: the way out that a worker has.
    assert client.messages.create(**params(prompt(more="[sim:expire]"))).stop_reason == "end_turn"


def test_cancelled_batch_keeps_what_was_done(client: anthropic.Anthropic) -> None:
    with forked_simulator(batch_duration_s=1000, judge_error_rate=0.0) as slow, client_of(slow) as of_slow:
        batch = of_slow.messages.batches.create(requests=requests(10))
        slow.advance(505)
        of_slow.messages.batches.cancel(batch.id)
        ended = of_slow.messages.batches.retrieve(batch.id)
        assert ended.processing_status == "ended"
        assert (ended.request_counts.succeeded, ended.request_counts.canceled) == (5, 5)
        assert {row.result.type for row in results_of(of_slow, batch.id).values()} == {"succeeded", "canceled"}
        assert slow.ledger()["items_paid"] == 5
        with pytest.raises(anthropic.BadRequestError):
            of_slow.messages.batches.cancel(batch.id)


def test_batch_expires_after_a_day(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.hold()
    batch = client.messages.batches.create(requests=requests(3))
    simulator.advance(24 * 3600)
    ended = client.messages.batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert ended.request_counts.expired == 3
    assert simulator.ledger()["items_paid"] == 0
