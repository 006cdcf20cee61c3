"""Result events against the consumer's own bytes and schemas (tests/examples)."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.answer import Answer
from domain.comparison import Member
from domain.outcome import Outcome
from domain.reply import Cause, ErrorCode, Fault, Reply, Retry, Usage, judge
from providers.anthropic import wire as anthropic_wire
from providers.openai import wire as openai_wire
from streams.wire import work
from streams.wire.envelope import encode
from streams.wire.request_events import single_event
from streams.wire.requests import InboundMember, read_record
from streams.wire.results import ComparisonResult, ErrorDetail, ResultEvent, ResultMessage, result_message

EXAMPLES = Path(__file__).parent.parent / "examples"
BODY: dict[str, Any] = json.loads((EXAMPLES / "request_http_body.json").read_text())
ENVELOPE_SCHEMA: dict[str, Any] = json.loads((EXAMPLES / "EventEnvelope.schema.json").read_text())
DATA_SCHEMA: dict[str, Any] = json.loads((EXAMPLES / "LLMComparisonResultV1.schema.json").read_text())
REQUESTED_MS, COMPLETED_MS = 1_764_599_056_123, 1_764_599_058_043
RAW_USAGE = {"input_tokens": 2057, "cache_creation": {"ephemeral_5m_input_tokens": 0}, "output_tokens": 84}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

ANSWERED = Outcome(
    Member(7, 0),
    "anthropic",
    "claude-haiku-4-5-20251001",
    COMPLETED_MS,
    "batch_api",
    answer=Answer("Essay B", "Essay B: stronger structure and idiomatic range", 4.0),
    response_time_ms=1768,
    cost_usd=0.02141,
    usage=Usage(2057, 84, 12, 3, RAW_USAGE),
)
FAILED = dataclasses.replace(
    ANSWERED, answer=None, fault=Fault(ErrorCode.TIMEOUT, "the batch expired", {"attempts": 3}), usage=Usage(), cost_usd=0.0
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=4)
FAULTS = st.builds(Fault, st.sampled_from(ErrorCode), TEXT, OBJECTS)
ANSWERS = st.builds(
    Answer, st.sampled_from(["Essay A", "Essay B"]), TEXT.map(lambda text: text[:500]), st.floats(min_value=1, max_value=5)
)


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
    outcome = dataclasses.replace(ANSWERED, mode="serial_bundle", usage=usage)
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


ODD = "a\0b\x1b[2J\x7f\x9b\ud800\tc\r\nd"
ODD_ANSWER = json.dumps({"winner": "Essay A", "justification": ODD, "confidence": 3})
ODD_USAGE = {"tier": ODD, ODD: [{ODD: ODD}]}
ODD_ERROR = {"type": ODD, "code": ODD, "message": ODD}


@pytest.mark.parametrize(
    "reply",
    [
        anthropic_wire.reply_of_message(
            "job-0",
            {"model": ODD, "content": [{"type": "text", "text": ODD_ANSWER}], "usage": ODD_USAGE},
        ),
        anthropic_wire.reply_of_row({"custom_id": "job-0", "result": {"type": "errored", "error": ODD_ERROR}}),
        openai_wire.reply_of_completion(
            "job-0",
            {"model": ODD, "choices": [{"message": {"content": ODD_ANSWER}}], "usage": ODD_USAGE},
        ),
        openai_wire.reply_of_row({"custom_id": "job-0", "response": {"status_code": 400, "body": {"error": ODD_ERROR}}}),
        openai_wire.reply_of_row({"custom_id": "job-0", "response": {"status_code": 400}, "error": ODD_ERROR}),
    ],
    ids=["message", "anthropic error row", "completion", "refused row", "openai error row"],
)
def test_no_control_or_half_character_of_a_provider_reaches_the_wire(reply: Reply) -> None:
    """PostgreSQL refuses \\u0000 in text and jsonb; the caller's own metadata is repeated as it came."""
    verdict = judge(reply)
    if isinstance(verdict, Retry):
        verdict = Fault(verdict.code, verdict.message, verdict.details)
    ending = {"answer": verdict, "usage": reply.usage} if isinstance(verdict, Answer) else {"answer": None, "fault": verdict}
    # As the work topic carries it: half a surrogate pair would end the worker there.
    record = work.decode(work.encode(work.Outcomes(outcomes=(dataclasses.replace(ANSWERED, **ending),))))
    assert isinstance(record, work.Outcomes)
    value = make(record.outcomes[0], metadata={"mine": "x\0"}).value
    assert b'"mine": "x\\u0000"' in value
    said = value.replace(b'"mine": "x\\u0000"', b"")
    assert re.search(rb"\\u(00[0189]|007f|d[89a-f])|[\x00-\x1f\x7f-\xff]", said) is None
    assert b"a?b?[2J???\\tc\\r\\nd" in said


@given(
    metadata=st.dictionaries(TEXT, JSON, max_size=6), answer=ANSWERS, raw=st.none() | st.dictionaries(TEXT, JSON, max_size=3)
)
@settings(max_examples=200, deadline=None)
def test_any_answer_passes_the_consumers_schema(metadata: dict[str, Any], answer: Answer, raw: dict[str, Any] | None) -> None:
    outcome = dataclasses.replace(ANSWERED, answer=answer, usage=Usage(2057, 84, 12, 3, raw))
    message = make(outcome, metadata=metadata)
    event = json.loads(message.value)
    check_event(event)
    found = event["data"]["request_metadata"]
    assert json.dumps({key: found[key] for key in metadata}) == json.dumps(metadata)
    assert set(found) - set(metadata) <= {
        "resolved_provider",
        "queue_processing_mode",
        "resolved_model",
        "prompt_sha256",
        "usage",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    }
    assert encode(ResultEvent.model_validate_json(message.value)) == message.value


@given(fault=FAULTS, provider=st.sampled_from(DATA_SCHEMA["$defs"]["LLMProviderType"]["enum"]), model=TEXT)
@settings(max_examples=200, deadline=None)
def test_any_fault_passes_the_consumers_schema(fault: Fault, provider: str, model: str) -> None:
    event = json.loads(make(dataclasses.replace(FAILED, fault=fault, provider=provider, model=model)).value)
    check_event(event)
    assert (event["data"]["provider"], event["data"]["model"]) == (provider, model)
    assert event["data"]["error_detail"]["details"] == fault.details


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer": Answer("Essay A", "x" * 501, 3.0)}, "at most 500 characters"),
        ({"answer": Answer("Essay A", "x", 0.0)}, "greater than or equal to 1"),
        ({"answer": Answer("Essay A", "x", 5.5)}, "less than or equal to 5"),
        ({"answer": Answer("Essay A", "x", float("nan"))}, "confidence"),
        ({"answer": Answer("essay_a", "x", 3.0)}, "'Essay A' or 'Essay B'"),
        ({"provider": "azure"}, "provider"),
        ({"provider": ""}, "provider"),
        ({"response_time_ms": -1}, "response_time_ms"),
        ({"response_time_ms": 1.5}, "response_time_ms"),
        ({"cost_usd": -0.1}, "cost_estimate"),
        ({"cost_usd": float("inf")}, "cost_estimate"),
        ({"cost_usd": float("nan")}, "cost_estimate"),
        ({"usage": Usage(-1, 5)}, "prompt_tokens"),
        ({"usage": Usage(1, 1, raw={"text": "x" * 1_000_000})}, "at most 1,000,000"),
        ({"mode": "nightly"}, "mode 'nightly' is none of batch_api, per_request, serial_bundle"),
        ({"answer": None}, "set either answer or fault"),
        ({"fault": Fault(ErrorCode.TIMEOUT, "x")}, "set either answer or fault"),
        ({"retry": Retry(Cause.EXPIRED, ErrorCode.TIMEOUT, "x")}, "set either answer or fault"),
        ({"answer": None, "fault": Fault("MADE_UP", "x")}, "error_code"),  # type: ignore[arg-type]
    ],
)
def test_what_the_consumer_would_drop_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make(dataclasses.replace(ANSWERED, **change))


@pytest.mark.parametrize("lacking", ["correlation_id", "callback_topic"])
def test_a_member_without_an_address_is_refused(lacking: str) -> None:
    with pytest.raises(ValueError, match="it cannot be answered"):
        make(ANSWERED, **{lacking: None})


@pytest.mark.parametrize("change", [{"winner": None}, {"justification": None}, {"confidence": None}])
def test_a_half_answer_is_no_result(change: dict[str, Any]) -> None:
    data = json.loads(make(ANSWERED).value)["data"]
    with pytest.raises(ValueError, match="must all be set"):
        ComparisonResult.model_validate({**data, **change})


@pytest.mark.parametrize("change", [{"winner": "Essay A"}, {"justification": "x"}, {"confidence": 1.0}])
def test_an_error_has_no_verdict(change: dict[str, Any]) -> None:
    data = json.loads(make(FAILED).value)["data"]
    with pytest.raises(ValueError, match="must be null"):
        ComparisonResult.model_validate({**data, **change})


@pytest.mark.parametrize(
    "change",
    [{"confidence": 0}, {"justification": "x" * 501}, {"provider": "azure"}, {"response_time_ms": 1.5}, {"winner": "essay_a"}],
)
def test_the_schema_check_of_these_tests_refuses(change: dict[str, Any]) -> None:
    event = json.loads(make(ANSWERED).value)
    event["data"] |= change
    with pytest.raises(AssertionError):
        check_event(event)


def member(**changes: Any) -> InboundMember:
    return dataclasses.replace(read_record(single_event(BODY)).members[0], **changes)


def make(outcome: Outcome, **changes: Any) -> ResultMessage:
    return result_message(member(**changes), outcome, requested_ms=REQUESTED_MS)


def check_event(event: dict[str, Any]) -> None:
    """Check an event against the consumer's two schemas, and the one rule that a schema cannot say."""
    assert check(event, ENVELOPE_SCHEMA, ENVELOPE_SCHEMA), event
    data = event["data"]
    assert check(data, DATA_SCHEMA, DATA_SCHEMA), data
    assert event["correlation_id"] == data["correlation_id"]
    assert (data["winner"] is None) != (data["error_detail"] is None)


def check(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Check a value against those words of JSON Schema that the two schemas use; an unknown word fails."""
    known = {"$ref", "$defs", "anyOf", "enum", "type", "format", "default", "properties", "required", "additionalProperties"}
    assert set(schema) <= known | {"minimum", "maximum", "maxLength"}, set(schema) - known
    if "$ref" in schema:
        return check(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return any(check(value, choice, root) for choice in schema["anyOf"])
    types: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "object": dict,
        "null": type(None),
    }
    if "type" in schema and (not isinstance(value, types[schema["type"]]) or isinstance(value, bool)):
        return False
    return (
        value in schema.get("enum", [value])
        and not ("minimum" in schema and value < schema["minimum"])
        and not ("maximum" in schema and value > schema["maximum"])
        and not ("maxLength" in schema and len(value) > schema["maxLength"])
        and all(name in value for name in schema.get("required", ()))
        and all(check(value[name], part, root) for name, part in schema.get("properties", {}).items() if name in value)
    )
