"""The event envelope that every event of the platform travels in, and its bytes."""

import json
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

Data = TypeVar("Data")


class EventEnvelope(BaseModel, Generic[Data]):
    """An event, fields in the order of the wire; times are UTC. `metadata` is null or W3C trace context."""

    model_config = ConfigDict(frozen=True)

    event_id: UUID
    event_type: str
    event_timestamp: AwareDatetime
    source_service: str
    schema_version: int = 1
    correlation_id: UUID
    data_schema_uri: str | None = None
    data: Data
    metadata: dict[str, Any] | None = None


def encode(envelope: EventEnvelope[Any]) -> bytes:
    """Encode as the platform's own services do: by json.dumps with its defaults, so ASCII-escaped and with nulls present."""
    return json.dumps(envelope.model_dump(mode="json")).encode()


def wire_time(moment: datetime) -> str:
    """A time as the platform's models write it: with Z, and without a fraction where that is 0."""
    return moment.isoformat().removesuffix("+00:00") + "Z"


def trace_metadata(traceparent: str | None, tracestate: str | None = None) -> dict[str, str] | None:
    """Return the envelope's metadata for a trace context; a tracestate without a traceparent means nothing."""
    if traceparent is None:
        return None
    return {"traceparent": traceparent} | ({"tracestate": tracestate} if tracestate else {})
