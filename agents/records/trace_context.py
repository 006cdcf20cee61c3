"""What is kept of the trace that a request came with, until its comparison's event is acknowledged."""

from dataclasses import dataclass
from typing import Protocol

from domain.comparison import Member
from domain.outcome import Outcome
from domain.rounds import round_key
from streams.wire.requests import InboundRecord


@dataclass(frozen=True, slots=True)
class Traced:
    """The context of the trace, and what the spans are named and timed by (ms since the epoch)."""

    traceparent: str
    tracestate: str | None
    correlation_id: str
    round_key: str
    requested_ms: int


class Tracer(Protocol):
    """Is told by reconcile of comparisons that have ended; agents.records.tracing.Tracing does it with OpenTelemetry."""

    def ended(self, traced: Traced, outcome: Outcome, ended_ms: int) -> None:
        """The comparison's event is acknowledged."""
        ...

    def close(self) -> None:
        """No more will be told; blocks for some seconds at most."""
        ...


def traced(record: InboundRecord, member: Member, append_ms: int) -> Traced | None:
    """The trace of one comparison; None where its record came without one."""
    if record.traceparent is None:
        return None
    inbound = record.members[member.position]
    key = round_key(inbound.metadata, member)
    return Traced(record.traceparent, record.tracestate, str(inbound.correlation_id), key, append_ms)
