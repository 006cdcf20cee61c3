"""The request events as a producer writes them: bodies in, the bytes of one record out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from streams.wire.envelope import EventEnvelope, encode, trace_metadata
from streams.wire.requests import ROUND_EVENT, SCHEMA_VERSION, SINGLE_EVENT

PRODUCER = "cj_assessment_service"

Body = dict[str, Any]


def single_event(
    body: Body,
    *,
    event_id: UUID | None = None,
    event_timestamp: datetime | None = None,
    source_service: str = PRODUCER,
    traceparent: str | None = None,
) -> bytes:
    """Encode one comparison. The body is not checked; without a readable id in it the envelope gets the event id."""
    event_id = event_id or uuid4()
    return _event(SINGLE_EVENT, body, event_id, _correlation_id(body, event_id), event_timestamp, source_service, traceparent)


def round_event(
    bodies: Sequence[Body],
    part: int = 1,
    parts: int = 1,
    *,
    event_id: UUID | None = None,
    event_timestamp: datetime | None = None,
    source_service: str = PRODUCER,
    traceparent: str | None = None,
) -> bytes:
    """Encode a round, or its part-th of `parts` (counted from 1). The bodies are not checked, nor the size (at most 1 MiB)."""
    event_id = event_id or uuid4()
    data = {"comparisons": list(bodies), "part": part, "parts": parts}
    return _event(ROUND_EVENT, data, event_id, event_id, event_timestamp, source_service, traceparent)


def _event(
    event_type: str,
    data: Body,
    event_id: UUID,
    correlation_id: UUID,
    event_timestamp: datetime | None,
    source_service: str,
    traceparent: str | None,
) -> bytes:
    return encode(
        EventEnvelope[dict[str, Any]](
            event_id=event_id,
            event_type=event_type,
            event_timestamp=event_timestamp or datetime.now(UTC),
            source_service=source_service,
            schema_version=SCHEMA_VERSION,
            correlation_id=correlation_id,
            data=data,
            metadata=trace_metadata(traceparent),
        )
    )


def _correlation_id(body: Body, event_id: UUID) -> UUID:
    try:
        return UUID(body["correlation_id"])
    except (KeyError, ValueError, AttributeError, TypeError):
        return event_id
