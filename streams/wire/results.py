"""The result event, which ends every comparison: a pure function of the request and its stored outcome."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Self
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from domain.answer import MAX_JUSTIFICATION
from domain.outcome import Outcome
from domain.reply import ErrorCode, Fault, Usage
from streams.wire import answered
from streams.wire.envelope import EventEnvelope, trace_metadata, wire_time
from streams.wire.requests import InboundMember

EVENT_TYPE = "LLMComparisonResultV1"
SOURCE_SERVICE = "llm_provider_service"
SCHEMA_VERSION = 1
OPERATION = "comparison"
_NAMES = ("essay_a_id", "essay_b_id", "bos_batch_id", "cj_batch_id")  # by which consumers know a comparison
_NAME_BYTES = 200
_SAID_CHARACTERS = 200
MAX_EVENT_BYTES = 1_000_000  # a broker's default takes 1,048,588 with key, headers and framing
MODES = frozenset({"per_request", "serial_bundle", "batch_api"})

# Must never change: the consumer removes duplicates by event id, so an event sent again must have the same one.
_NAMESPACE = UUID("1d0f1b0c-54a5-5c0e-9a53-6e1f7d8f2b6e")
_NAMESPACE_BYTES = _NAMESPACE.bytes
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_HEADERS = (
    ("event_type", EVENT_TYPE.encode()),
    ("schema_version", str(SCHEMA_VERSION).encode()),
    ("content_type", b"application/json"),
    ("source_service", SOURCE_SERVICE.encode()),
)

Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class TokenUsage(_Part):
    """Tokens of one comparison."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    total_tokens: Count = 0


class ErrorDetail(_Part):
    """Why there is no winner. The codes are those that we use: one outside the consumer's enum would lose the event."""

    error_code: ErrorCode
    message: str
    correlation_id: UUID
    timestamp: AwareDatetime
    service: str
    operation: str
    details: dict[str, Any] = Field(default_factory=dict)
    stack_trace: str | None = None
    trace_id: str | None = None
    span_id: str | None = None


class ComparisonResult(_Part):
    """LLMComparisonResultV1, docs/contract.md#results: a winner with its reasons, or an error. Fields in the wire's order."""

    request_id: str
    correlation_id: UUID
    winner: answered.Winner | None = None
    justification: Annotated[str, Field(max_length=MAX_JUSTIFICATION)] | None = None
    confidence: Annotated[float, Field(ge=1, le=5)] | None = None
    error_detail: ErrorDetail | None = None
    provider: answered.Provider
    model: str
    response_time_ms: Count
    token_usage: TokenUsage = TokenUsage()
    cost_estimate: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    requested_at: AwareDatetime
    completed_at: AwareDatetime
    trace_id: str | None = None
    request_metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_ending(self) -> Self:
        verdict = (self.winner, self.justification, self.confidence)
        if self.error_detail is None:
            if None in verdict:
                raise ValueError("without error_detail, winner, justification and confidence must all be set")
        elif verdict != (None, None, None):
            raise ValueError("with error_detail, winner, justification and confidence must be null")
        return self


ResultEvent = EventEnvelope[ComparisonResult]


class ResultMessage(Struct, frozen=True, gc=False):
    """One Kafka message for a callback topic; `event_id` is the deterministic id that the value carries too."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    event_id: str


def smallest(member: InboundMember, outcome: Outcome, size: int) -> tuple[InboundMember, Outcome]:
    """What to send instead of an event of `size` bytes that its topic does not take: the smallest error event.

    Of the metadata only what names the comparison is left. An outcome that is an error keeps it, cut short; an answer that
    cannot be delivered becomes one.
    """
    fault = outcome.fault
    if fault is None:
        said = f"the result of {size} bytes is larger than its topic takes: raise max.message.bytes there"
        fault = Fault(ErrorCode.PROCESSING_ERROR, said)
    kept = {name: member.metadata[name] for name in _NAMES if name in member.metadata}
    kept = {name: value for name, value in kept.items() if len(json.dumps(value)) <= _NAME_BYTES}
    error = Fault(fault.code, fault.message[:_SAID_CHARACTERS])
    return replace(member, metadata=kept), replace(outcome, answer=None, fault=error)


def result_message(
    member: InboundMember,
    outcome: Outcome,
    *,
    requested_ms: int,
    traceparent: str | None = None,
    tracestate: str | None = None,
) -> ResultMessage:
    """Make the event that ends one comparison; `requested_ms` is the request's time, in ms since the epoch.

    The same arguments give the same bytes. Raises ValueError (pydantic's ValidationError is one) for what the consumer
    would drop: an outcome without an ending, a provider that the wire does not know, a field out of its limits, an event
    above MAX_EVENT_BYTES; and for a member that cannot be answered (no correlation id or callback topic).
    """
    if member.correlation_id is None or member.callback_topic is None:
        raise ValueError(f"position {member.position} has no correlation id or no callback topic: it cannot be answered")
    if outcome.retry is not None or (outcome.answer is None) == (outcome.fault is None):
        raise ValueError(f"the outcome of position {member.position} is not one ending: set either answer or fault")
    if outcome.mode not in MODES:
        raise ValueError(f"mode {outcome.mode!r} is none of {', '.join(sorted(MODES))}")
    name = str(member.correlation_id)
    event_id = _uuid5(f"{name}:{'result' if outcome.answer else 'error'}")
    requested, (completed, occurred) = _times(requested_ms)[0], _times(outcome.completed_ms)
    trace = trace_metadata(traceparent, tracestate)
    answer = outcome.answer
    if answer is not None and answered.can_be_sent(outcome, answer):
        data = answered.data_json(member, outcome, answer, (request_id(name), name), requested, completed)
        value = (
            f'{{"event_id": "{event_id}", "event_type": "{EVENT_TYPE}", "event_timestamp": "{completed}", '
            f'"source_service": "{SOURCE_SERVICE}", "schema_version": {SCHEMA_VERSION}, "correlation_id": "{name}", '
            f'"data_schema_uri": null, "data": {data}, "metadata": {json.dumps(trace) if trace else "null"}}}'
        ).encode()
    else:
        value = _checked(member, outcome, (event_id, name), requested, completed, trace)
    if len(value) > MAX_EVENT_BYTES:
        raise ValueError(f"the event has {len(value):,} bytes, at most {MAX_EVENT_BYTES:,}: the consumer's topic refuses it")
    headers = [
        ("event_id", event_id.encode()),
        _HEADERS[0],
        ("trace_id", name.encode()),
        _HEADERS[1],
        ("occurred_at", occurred),
        *_HEADERS[2:],
    ]
    return ResultMessage(member.callback_topic, name.encode(), value, headers, event_id)


def _checked(
    member: InboundMember,
    outcome: Outcome,
    ids: tuple[str, str],
    requested: str,
    completed: str,
    trace: dict[str, str] | None,
) -> bytes:
    """Make an event in the long way. Raises ValueError where the consumer would drop it. `ids`: of event, comparison."""
    event_id, name = ids
    event = {
        "event_id": event_id,
        "event_type": EVENT_TYPE,
        "event_timestamp": completed,
        "source_service": SOURCE_SERVICE,
        "schema_version": SCHEMA_VERSION,
        "correlation_id": name,
        "data_schema_uri": None,
        "data": _result(member, outcome, name, requested, completed),
        "metadata": trace,
    }
    # Checked in the form that is sent: dumping the checked model would take as long again, and give the same.
    ResultEvent.model_validate(event)
    return json.dumps(event).encode()


def request_id(correlation_id: str) -> str:
    """The id that a comparison's event gives to its request; `correlation_id` in the form of str(UUID)."""
    return _uuid5(f"{correlation_id}:request")


def _result(member: InboundMember, outcome: Outcome, correlation_id: str, requested: str, completed: str) -> dict[str, Any]:
    answer, fault, usage = outcome.answer, outcome.fault, outcome.usage
    return {
        "request_id": request_id(correlation_id),
        "correlation_id": correlation_id,
        "winner": answer.winner if answer else None,
        "justification": answer.justification if answer else None,
        "confidence": float(answer.confidence) if answer else None,
        "error_detail": _error_detail(fault, correlation_id, completed) if fault else None,
        "provider": outcome.provider,
        "model": outcome.model,
        "response_time_ms": outcome.response_time_ms,
        "token_usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        },
        "cost_estimate": float(outcome.cost_usd),
        "requested_at": requested,
        "completed_at": completed,
        "trace_id": None,
        "request_metadata": _request_metadata(member, outcome, usage),
    }


def _error_detail(fault: Fault, correlation_id: str, completed: str) -> dict[str, Any]:
    return {
        "error_code": fault.code,
        "message": fault.message,
        "correlation_id": correlation_id,
        "timestamp": completed,
        "service": SOURCE_SERVICE,
        "operation": OPERATION,
        "details": fault.details,
        "stack_trace": None,
        "trace_id": None,
        "span_id": None,
    }


def _request_metadata(member: InboundMember, outcome: Outcome, usage: Usage) -> dict[str, Any]:
    """Return the caller's metadata, whole and first, then ours under keys that the caller has not used."""
    added: dict[str, Any] = {
        "resolved_provider": outcome.provider,
        "queue_processing_mode": outcome.mode,
    }
    # The consumer allows this key only where the request itself named a model; `model` is in every event anyway. A body that
    # was refused has named none.
    if member.body is not None and member.body.llm_config_overrides.model_override:
        added["resolved_model"] = outcome.model
    added["prompt_sha256"] = member.prompt_sha256
    if outcome.answer:
        if usage.raw is not None:
            added["usage"] = usage.raw
        added["cache_read_input_tokens"] = usage.cache_read_tokens
        added["cache_creation_input_tokens"] = usage.cache_creation_tokens
    return {**member.metadata, **{key: value for key, value in added.items() if key not in member.metadata}}


def _uuid5(name: str) -> str:
    """The text of uuid.uuid5(_NAMESPACE, name), without the objects on the way to it."""
    digest = hashlib.sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


@lru_cache(maxsize=1_024)  # the comparisons of a record were requested at one time, and many are answered at one
def _times(ms: int) -> tuple[str, bytes]:
    """A time as the event has it, and as its header has it."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return wire_time(moment), moment.isoformat().encode()
