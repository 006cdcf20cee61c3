"""The trace of a request goes on where its comparison ends: in another process, hours later; off, it costs nothing."""

import ast
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from agents.records.tracing import Tracing
from settings.settings import Settings, UnusableSettings, load_settings
from streams.wire.request_events import round_event
from tests.model.log import START_MS
from tests.model.worker import ModelWorker
from tests.model.world import CALLBACK, World

AGENTS = Path(__file__).parents[2] / "agents"
TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
SPANS = ("roundbatch.comparison", "roundbatch.wait", "roundbatch.provider")
NS = 1_000_000


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "judges")
    return InMemorySpanExporter()


async def traced(world: World, exporter: InMemorySpanExporter) -> ModelWorker:
    """A worker that traces, with a partition."""
    return await world.assign(world.worker(tracer=Tracing(exporter)))


def request(world: World, *names: str, traceparent: str | None = TRACEPARENT) -> None:
    record = json.loads(round_event([world._body(name, "1", None) for name in names]))
    record["metadata"] = None if traceparent is None else {"traceparent": traceparent, "tracestate": "vendor=1"}
    world.log.append(world.settings().request_topic, json.dumps(record).encode())


def spans(worker: ModelWorker, exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    """By name."""
    assert worker.tracer is not None
    worker.tracer.close()
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


async def test_it_goes_on_hours_later_and_in_another_process(world: World, exporter: InMemorySpanExporter) -> None:
    first = await traced(world, InMemorySpanExporter())
    request(world, "m0", "m1")
    await world.run(first, seconds=10)
    world.commit(first)
    disk = await world.kill(first)
    world.clock.advance(3 * 3_600)
    second = world.worker(disk, tracer=Tracing(exporter))
    await world.finish(await world.assign(second), seconds=60)
    world.check()

    found = spans(second, exporter)
    assert {name: len(of) for name, of in found.items()} == dict.fromkeys(SPANS, 2)
    for whole, wait, provider in zip(*(found[name] for name in SPANS), strict=True):
        assert whole.context is not None
        assert whole.parent is not None
        assert (f"{whole.context.trace_id:032x}", f"{whole.parent.span_id:016x}") == (TRACE_ID, PARENT_ID)
        assert whole.context.trace_state.get("vendor") == "1"
        assert {one.parent.span_id for one in (wait, provider) if one.parent is not None} == {whole.context.span_id}
        assert (whole.start_time, wait.start_time) == (START_MS * NS, START_MS * NS)
        assert wait.end_time == provider.start_time
        assert provider.end_time is not None
        assert whole.end_time is not None
        assert 3 * 3_600_000 * NS < provider.end_time - START_MS * NS <= whole.end_time - START_MS * NS
        assert (whole.kind, provider.kind) == (SpanKind.CONSUMER, SpanKind.CLIENT)
        assert whole.attributes is not None
        assert whole.attributes["gen_ai.provider.name"] == "openai"
        assert whole.attributes["gen_ai.usage.input_tokens"] == 100
        assert whole.attributes["roundbatch.round"] == "cj:1:0"
        assert whole.resource.attributes["service.name"] == "judges"
    for record in world.log.read(CALLBACK):
        assert json.loads(record.value or b"")["metadata"] == {"traceparent": TRACEPARENT, "tracestate": "vendor=1"}


async def test_told_again_after_a_crash_it_is_the_same_span(world: World, exporter: InMemorySpanExporter) -> None:
    first = await traced(world, exporter)
    request(world, "m0")
    await world.run(first, seconds=10)
    world.commit(first)
    await world.finish(first, seconds=60)
    ids = [span.context.span_id for of in spans(first, exporter).values() for span in of if span.context is not None]
    world.committed.update(dict.fromkeys(first.topics, 0))  # all is read again
    await world.kill(first)
    again = InMemorySpanExporter()
    second = await traced(world, again)
    await world.finish(second, seconds=60)
    repeated = [span.context.span_id for of in spans(second, again).values() for span in of if span.context is not None]
    assert len(set(ids)) == 3
    assert repeated == ids


async def test_an_error_is_one_in_the_trace(world: World, exporter: InMemorySpanExporter) -> None:
    world.provider.refused.add("bad")
    worker = await traced(world, exporter)
    request(world, "bad")
    await world.finish(worker)
    (whole,) = spans(worker, exporter)["roundbatch.comparison"]
    assert whole.status.status_code is StatusCode.ERROR
    assert whole.attributes is not None
    assert whole.attributes["error.type"] == "INVALID_REQUEST"


@pytest.mark.parametrize("traceparent", [None, "00-not-one-01", TRACEPARENT.removesuffix("01") + "00"])
async def test_without_a_trace_or_not_sampled_there_is_no_span(
    world: World, exporter: InMemorySpanExporter, traceparent: str | None
) -> None:
    worker = await traced(world, exporter)
    request(world, "m0", traceparent=traceparent)
    await world.finish(worker)
    world.check()
    assert not spans(worker, exporter)


async def test_a_span_that_cannot_be_made_holds_no_answer_up(
    world: World, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await traced(world, exporter)

    def broken(*_: Any) -> None:
        raise RuntimeError("no span today")

    monkeypatch.setattr(Tracing, "_make_spans", broken)
    request(world, "m0")
    await world.finish(worker)
    world.check()


class _Collector(BaseHTTPRequestHandler):
    posted: list[tuple[str, int]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.posted.append((self.path, body.count(b"roundbatch.")))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """A collector of OTLP over HTTP on this machine; what was posted."""
    posted: list[tuple[str, int]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Collector", (_Collector,), {"posted": posted}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield posted
    server.shutdown()
    thread.join()
    server.server_close()


async def test_by_default_spans_go_where_the_environment_says(world: World, collector: list[tuple[str, int]]) -> None:
    tracing = Tracing()
    worker = await world.assign(world.worker(tracer=tracing))
    request(world, "m0")
    await world.finish(worker)
    tracing.close()
    ((path, names),) = collector
    assert path == "/v1/traces"
    assert names >= 3


def test_off_by_default_and_then_opentelemetrys_sdk_is_not_even_imported() -> None:
    assert not Settings().tracing
    at_import = set()
    for path in AGENTS.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:  # what stands in a function is imported when it is called
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("opentelemetry", "agents.records.tracing")):
                at_import.add(path.name)
    assert at_import == {"tracing.py"}


def test_without_the_extra_it_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings({"ROUNDBATCH_TRACING": "true"}).tracing
    monkeypatch.setattr("settings.settings.find_spec", lambda name: None)
    with pytest.raises(
        UnusableSettings, match=r"ROUNDBATCH_TRACING=true needs OpenTelemetry: pip install 'roundbatch\[tracing\]'"
    ):
        load_settings({"ROUNDBATCH_TRACING": "true"})
