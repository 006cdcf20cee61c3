"""Result events against the consumer's own bytes and schemas (tests/examples)."""

import json
from typing import Any

import msgspec
import pytest

from domain.outcome import Outcome
from domain.reply import ErrorCode, Usage
from streams.wire.envelope import encode
from streams.wire.request_events import single_event
from streams.wire.requests import read_record
from streams.wire.results import ComparisonResult, ErrorDetail, ResultEvent, result_message
from tests.contract.result_events import (
    ANSWERED,
    BODY,
    DATA_SCHEMA,
    ENVELOPE_SCHEMA,
    EXAMPLES,
    FAILED,
    REQUESTED_MS,
    check_event,
    make,
    member,
)

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("name", ["success_event", "error_event"])
def test_the_consumers_events_come_out_as_its_own_bytes(name: str) -> None:
    event = ResultEvent.model_validate_json((EXAMPLES / f"{name}.json").read_bytes())
    assert encode(event) == (EXAMPLES / f"{name}.wire").read_bytes()


@pytest.mark.parametrize("name", ["success_event", "error_event"])
def test_the_schema_check_of_these_tests_accepts_the_examples(name: str) -> None:
    check_event(json.loads((EXAMPLES / f"{name}.json").read_text()))


def test_the_success_example_from_its_request_and_outcome() -> None:
    """All but our own ids, and times below a millisecond, byte for byte."""
    expected = json.loads((EXAMPLES / "success_event.json").read_text())
    usage = Usage(2057, 84, raw=expected["data"]["request_metadata"]["usage"])
    outcome = msgspec.structs.replace(ANSWERED, mode="serial_bundle", usage=usage)
    message = make(outcome)
    event = json.loads(message.value)
    expected |= {"event_id": message.event_id, "event_timestamp": "2025-12-01T14:24:18.043000Z"}
    expected["data"] |= {
        "request_id": event["data"]["request_id"],
        "requested_at": "2025-12-01T14:24:16.123000Z",
        "completed_at": "2025-12-01T14:24:18.043000Z",
    }
    assert message.value == json.dumps(expected).encode()


def test_the_error_event() -> None:
    event = json.loads(make(FAILED).value)
    check_event(event)
    data = event["data"]
    assert (data["winner"], data["justification"], data["confidence"]) == (None, None, None)
    assert (data["provider"], data["model"]) == ("anthropic", "claude-haiku-4-5-20251001")
    assert data["error_detail"] == {
        "error_code": "TIMEOUT",
        "message": "the batch expired",
        "correlation_id": BODY["correlation_id"],
        "timestamp": "2025-12-01T14:24:18.043000Z",
        "service": "llm_provider_service",
        "operation": "comparison",
        "details": {"attempts": 3},
        "stack_trace": None,
        "trace_id": None,
        "span_id": None,
    }
    added = [key for key in data["request_metadata"] if key not in BODY["metadata"]]
    assert added == ["resolved_provider", "queue_processing_mode", "resolved_model", "prompt_sha256"]


@pytest.mark.parametrize(
    "overrides", [{"provider_override": "anthropic"}, {"model_override": None}, {"model_override": ""}, None]
)
@pytest.mark.parametrize("outcome", [ANSWERED, FAILED], ids=["answered", "failed"])
def test_the_model_is_a_key_only_where_the_request_named_one(outcome: Outcome, overrides: dict[str, Any] | None) -> None:
    """The consumer's round-trip test sends a provider alone, and fails for any key beside these."""
    asked = read_record(single_event({**BODY, "llm_config_overrides": overrides})).members[0]
    assert not asked.problem
    event = json.loads(result_message(asked, outcome, requested_ms=REQUESTED_MS).value)
    check_event(event)
    assert event["data"]["model"] == "claude-haiku-4-5-20251001"
    added = set(event["data"]["request_metadata"]) - set(BODY["metadata"])
    assert {"prompt_sha256", "resolved_provider", "queue_processing_mode"} <= added
    assert added <= {
        "prompt_sha256",
        "resolved_provider",
        "queue_processing_mode",
        "usage",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    }


def test_fields_are_in_the_order_of_the_schema() -> None:
    schema = DATA_SCHEMA
    assert list(ResultEvent.model_fields) == list(ENVELOPE_SCHEMA["properties"])
    assert list(ComparisonResult.model_fields) == list(schema["properties"])
    assert list(ErrorDetail.model_fields) == list(schema["$defs"]["ErrorDetail"]["properties"])


def test_every_code_of_ours_is_one_of_the_consumers() -> None:
    assert set(ErrorCode) <= set(DATA_SCHEMA["$defs"]["ErrorCode"]["enum"])


def test_the_message_around_the_value() -> None:
    message = make(ANSWERED)
    event = json.loads(message.value)
    assert message.topic == BODY["callback_topic"]
    assert message.key == BODY["correlation_id"].encode()
    assert event["metadata"] is None
    assert dict(message.headers) == {
        "event_id": message.event_id.encode(),
        "event_type": b"LLMComparisonResultV1",
        "trace_id": BODY["correlation_id"].encode(),
        "schema_version": b"1",
        "occurred_at": b"2025-12-01T14:24:18.043000+00:00",
        "content_type": b"application/json",
        "source_service": b"llm_provider_service",
    }


def test_ids_are_the_same_for_ever() -> None:
    """A release that made other ids would have the consumer count repeated publications as new events."""
    answered, failed = json.loads(make(ANSWERED).value), json.loads(make(FAILED).value)
    assert (answered["event_id"], failed["event_id"], answered["data"]["request_id"]) == (
        "12746c04-a507-505f-ab99-a6ca3a310fab",
        "d0af2f88-3021-58fe-bd2b-51781b641b75",
        "cdd31098-f504-5a79-a4d6-389f65d52bff",
    )


def test_the_same_outcome_gives_the_same_message() -> None:
    assert make(ANSWERED) == make(ANSWERED)
    assert make(FAILED) == make(FAILED)
    assert make(ANSWERED).event_id != make(FAILED).event_id


def test_trace_context_of_the_request_is_repeated() -> None:
    message = result_message(member(), ANSWERED, requested_ms=REQUESTED_MS, traceparent=PARENT, tracestate="vendor=1")
    assert json.loads(message.value)["metadata"] == {"traceparent": PARENT, "tracestate": "vendor=1"}
    message = result_message(member(), ANSWERED, requested_ms=REQUESTED_MS, traceparent=PARENT)
    assert json.loads(message.value)["metadata"] == {"traceparent": PARENT}


def test_a_callers_key_is_never_overwritten() -> None:
    metadata = {"usage": "mine", "prompt_sha256": None, "resolved_model": 1}
    found = json.loads(make(ANSWERED, metadata=metadata).value)["data"]["request_metadata"]
    assert list(found.items())[:3] == list(metadata.items())
