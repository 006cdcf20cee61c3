"""Result events of one request and two outcomes, and the check of an event against the consumer's two schemas."""

import json
from pathlib import Path
from typing import Any

import msgspec

from domain.answer import Answer
from domain.comparison import Member
from domain.outcome import Outcome
from domain.reply import ErrorCode, Fault, Usage
from streams.wire.comparison_body import ComparisonBody
from streams.wire.plain_body import plain_body
from streams.wire.request_events import single_event
from streams.wire.requests import InboundMember, read_record
from streams.wire.results import ResultMessage, result_message

EXAMPLES = Path(__file__).parent.parent / "examples"
BODY: dict[str, Any] = json.loads((EXAMPLES / "request_http_body.json").read_text())
ENVELOPE_SCHEMA: dict[str, Any] = json.loads((EXAMPLES / "EventEnvelope.schema.json").read_text())
DATA_SCHEMA: dict[str, Any] = json.loads((EXAMPLES / "LLMComparisonResultV1.schema.json").read_text())
REQUESTED_MS, COMPLETED_MS = 1_764_599_056_123, 1_764_599_058_043
RAW_USAGE = {"input_tokens": 2057, "cache_creation": {"ephemeral_5m_input_tokens": 0}, "output_tokens": 84}
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
FAILED = msgspec.structs.replace(
    ANSWERED, answer=None, fault=Fault(ErrorCode.TIMEOUT, "the batch expired", {"attempts": 3}), usage=Usage(), cost_usd=0.0
)


def member(**changes: Any) -> InboundMember:
    read = read_record(single_event(BODY)).members[0]
    if "metadata" in changes and plain_body({**BODY, "metadata": changes["metadata"]}) is None:
        read = msgspec.structs.replace(read, body=ComparisonBody.model_validate(BODY))  # as a body with such metadata is read
    return msgspec.structs.replace(read, **changes)


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
