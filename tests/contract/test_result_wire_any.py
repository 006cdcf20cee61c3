"""Whatever a provider, a caller or a fault puts into a result event, the consumer can read it, or the event is not made."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.answer import Answer
from domain.reply import Cause, ErrorCode, Fault, Reply, Retry, Usage, judge
from providers.anthropic import wire as anthropic_wire
from providers.openai import wire as openai_wire
from streams.wire import work
from streams.wire.envelope import encode
from streams.wire.results import ComparisonResult, ResultEvent
from tests.contract.result_events import (
    ANSWERED,
    DATA_SCHEMA,
    FAILED,
    check_event,
    make,
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
    record = work.decode(work.encode(work.Outcomes(outcomes=(msgspec.structs.replace(ANSWERED, **ending),))))
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
    outcome = msgspec.structs.replace(ANSWERED, answer=answer, usage=Usage(2057, 84, 12, 3, raw))
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
    event = json.loads(make(msgspec.structs.replace(FAILED, fault=fault, provider=provider, model=model)).value)
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
        make(msgspec.structs.replace(ANSWERED, **change))


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
