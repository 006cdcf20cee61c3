"""The trace that a request came with, continued when its comparison ends, hours later and in another process if need be.

Nothing of the trace is kept in between: when the request's record holds a traceparent, all spans are made at the end, from what
the record and the outcome say and with the times that they hold. This module is imported only where tracing is on, and no other
may import OpenTelemetry.
"""

import hashlib
import os
from collections import deque

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agents.records.trace_context import Traced
from domain.outcome import Outcome

log = structlog.get_logger("tracing")
_NS = 1_000_000  # nanoseconds in a millisecond
_FLUSH_MS = 5_000


class Tracing:
    """Makes the spans of comparisons and exports them; the environment's OTEL_ variables say where to."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """`exporter`: by default OTLP over HTTP."""
        self._ids = _GivenIds()
        name = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "roundbatch"}
        # Not the global provider: a library that makes spans of its own must not send prompts with them.
        self._provider = TracerProvider(resource=Resource.create(name), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("roundbatch")
        self._propagator = TraceContextTextMapPropagator()

    def ended(self, traced: Traced, outcome: Outcome, ended_ms: int) -> None:
        """Three spans: the comparison from its request to its event, in it the wait, and the provider's work.

        Never raises: a fault of tracing must not hold up an answer.
        """
        try:
            self._make_spans(traced, outcome, max(ended_ms, outcome.completed_ms))
        except Exception:
            log.exception("spans_not_made", round=traced.round_key, correlation_id=traced.correlation_id)

    def _make_spans(self, traced: Traced, outcome: Outcome, ended_ms: int) -> None:
        carrier = {"traceparent": traced.traceparent, "tracestate": traced.tracestate or ""}
        context = self._propagator.extract({name: value for name, value in carrier.items() if value})
        begun_ms = traced.requested_ms
        sent_ms = max(begun_ms, outcome.completed_ms - outcome.response_time_ms)
        # A comparison always gets the same ids: told again after a crash, it is the same span.
        self._ids.give(_ids(traced.correlation_id))
        whole = self._tracer.start_span("roundbatch.comparison", context, SpanKind.CONSUMER, start_time=begun_ms * _NS)
        _describe(whole, traced, outcome)
        inside = trace.set_span_in_context(whole, context)
        self._tracer.start_span("roundbatch.wait", inside, start_time=begun_ms * _NS).end(sent_ms * _NS)
        provider = self._tracer.start_span("roundbatch.provider", inside, SpanKind.CLIENT, start_time=sent_ms * _NS)
        provider.end(max(sent_ms, outcome.completed_ms) * _NS)
        whole.end(ended_ms * _NS)

    def close(self) -> None:
        """Export what is left, within some seconds; blocks."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()


class _GivenIds(RandomIdGenerator):
    """Gives out the span ids that were prepared, then random ones."""

    def __init__(self) -> None:
        self._ready: deque[int] = deque()

    def give(self, ids: tuple[int, ...]) -> None:
        """Prepare ids for the next spans."""
        self._ready = deque(ids)

    def generate_span_id(self) -> int:
        return self._ready.popleft() if self._ready else super().generate_span_id()


def _ids(correlation_id: str) -> tuple[int, ...]:
    digest = hashlib.sha256(correlation_id.encode()).digest()
    return tuple(int.from_bytes(digest[start : start + 8]) or 1 for start in (0, 8, 16))


def _describe(span: Span, traced: Traced, outcome: Outcome) -> None:
    span.set_attributes(
        {
            "gen_ai.provider.name": outcome.provider,
            "gen_ai.request.model": outcome.model,
            "gen_ai.usage.input_tokens": outcome.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": outcome.usage.completion_tokens,
            "roundbatch.correlation_id": traced.correlation_id,
            "roundbatch.round": traced.round_key,
            "roundbatch.mode": outcome.mode,
            "roundbatch.cost_usd": outcome.cost_usd,
        }
    )
    if outcome.fault is not None:
        span.set_attribute("error.type", outcome.fault.code.value)
        span.set_status(Status(StatusCode.ERROR, outcome.fault.message[:300]))
