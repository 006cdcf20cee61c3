"""A post's body: what it must be (docs/gateway.md), and the record that it becomes.

A body is refused only if no event could answer it, or if the service that roundbatch replaces refuses it too. Any other fault
is reported by the worker in an error event. CJ counts such an event and goes on, while a refused post stops its whole batch
for hours.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError
from pydantic_core import from_json

from domain.providers import PROVIDERS
from streams.wire import request_events, results
from streams.wire.comparison_body import MAX_TOPIC, CallOverrides, describe, shown
from streams.wire.requests import read_uuid, trace_context

SOURCE_SERVICE = "roundbatch_gateway"
_CHECKED_OVERRIDES = frozenset({"temperature_override", "max_tokens_override", "reasoning_effort", "output_verbosity"})
_JSON_TYPE = re.compile(r"application/(?:json|[\w.-]+\+json)\s*(?:;.*)?", re.ASCII | re.IGNORECASE)


class Refused(Exception):
    """A post that is answered with this status and this JSON object; `reason` is a word for the metric and the log."""

    def __init__(self, status: int, reason: str, error: str, **more: Any) -> None:
        super().__init__(error)
        self.status, self.reason, self.answer = status, reason, {"error": error, **more}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison on its way into the request topic."""

    correlation_id: UUID
    key: bytes
    value: bytes = field(repr=False)

    @property
    def queue_id(self) -> str:
        """What the post's answer names: the request id of the event that will end the comparison."""
        return results.request_id(str(self.correlation_id))


def read(body: bytes, headers: Mapping[str, str], allowed_topics: tuple[str, ...]) -> Comparison:
    """Make the record of a body, which holds the body byte by byte. Raises Refused."""
    if not _JSON_TYPE.fullmatch(headers.get("content-type", "")):
        raise Refused(400, "not_json", "No JSON data provided", details="send Content-Type: application/json")
    fields = _fields(body)
    if problems := list(_problems(fields, allowed_topics)):
        raise Refused(400, "invalid", f"Invalid request format: {'; '.join(problems)}")
    correlation_id = read_uuid(fields.get("correlation_id"))
    if correlation_id is None:
        correlation_id = uuid4()
        fields["correlation_id"] = str(correlation_id)
        body = _with_id(body, correlation_id)
    _check_provider(fields, correlation_id)
    traceparent, tracestate = trace_context({name: headers.get(name) for name in ("traceparent", "tracestate")})
    value = request_events.spliced_event(
        body, correlation_id, source_service=SOURCE_SERVICE, traceparent=traceparent, tracestate=tracestate
    )
    return Comparison(correlation_id, request_events.record_key(fields), value)


def _fields(body: bytes) -> dict[str, Any]:
    """Read the body as the worker will: inside an envelope, so one level deeper, because the depth of nesting is limited."""
    try:
        found = from_json(b"[%b]" % body, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(400, "not_json", "Invalid JSON", details=f"the body cannot be read: {error}") from None
    if len(found) != 1:
        raise Refused(400, "not_json", "Invalid JSON", details=f"the body holds {len(found)} values: send one JSON object")
    (fields,) = found
    if not fields:
        raise Refused(400, "not_json", "No JSON data provided", details="send one comparison as a JSON object")
    if not isinstance(fields, dict):
        raise Refused(400, "invalid", f"Invalid request format: the body is {shown(fields)}, not a JSON object")
    return fields


def _problems(fields: dict[str, Any], allowed_topics: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(fields.get("user_prompt"), str):
        yield "user_prompt: send the complete prompt as text"
    topic = fields.get("callback_topic")
    if not isinstance(topic, str) or not 0 < len(topic) <= MAX_TOPIC:
        yield f"callback_topic: send the name of the topic for the result, of 1 to {MAX_TOPIC} characters"
    elif topic not in allowed_topics:
        yield f"callback_topic: {shown(topic)} is none of ROUNDBATCH_ALLOWED_CALLBACK_TOPICS ({', '.join(allowed_topics)})"
    identity = fields.get("correlation_id")
    if identity is not None and read_uuid(identity) is None:
        yield f"correlation_id: {shown(identity)} is no UUID"
    if not isinstance(fields.get("metadata", {}), dict):
        yield "metadata: send a JSON object, or leave it out"
    blocks = fields.get("prompt_blocks")
    if blocks is not None and not isinstance(blocks, list):
        yield "prompt_blocks: send a list, or leave it out"
    yield from _override_problems(fields.get("llm_config_overrides"))


def _override_problems(overrides: object) -> Iterator[str]:
    if overrides is None:
        return
    if not isinstance(overrides, dict):
        yield "llm_config_overrides: send a JSON object"
        return
    provider = overrides.get("provider_override")
    if provider is not None and not (isinstance(provider, str) and provider in PROVIDERS):
        yield f"llm_config_overrides.provider_override: {shown(provider)} is none of {', '.join(PROVIDERS)}"
    try:
        CallOverrides.model_validate(overrides)
    except ValidationError as error:
        if told := describe(error, _CHECKED_OVERRIDES):
            yield f"llm_config_overrides: {told}"


def _check_provider(fields: dict[str, Any], correlation_id: UUID) -> None:
    overrides = fields.get("llm_config_overrides")
    if overrides is None or overrides.get("provider_override") is None:
        raise Refused(
            400,
            "no_provider",
            "Provider configuration required",
            details=f"set llm_config_overrides.provider_override to one of {', '.join(PROVIDERS)}",
            correlation_id=str(correlation_id),
        )


def _with_id(body: bytes, correlation_id: UUID) -> bytes:
    """The body with the id as its last member. If it has `"correlation_id": null` too, the last of the two counts."""
    return b'%b, "correlation_id": "%b"}' % (body.rstrip()[:-1], str(correlation_id).encode())
