"""The health endpoints, asked by real HTTP requests on a free port."""

import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import aiohttp
import pytest
import structlog
from prometheus_client import CollectorRegistry

from agents.metrics.counters import Metrics
from agents.status.endpoints import PAGE, Endpoints, EndpointsUnavailable
from agents.status.queue_gauges import QueueCollector
from agents.status.queue_snapshot import QueueSnapshot
from streams.wire.status.encode import encode
from tests.harness.status_example import Teller


class Worker:
    """What the endpoints ask, set by a test."""

    def __init__(self) -> None:
        self.tells = Teller()
        self.metrics = Metrics(CollectorRegistry())
        self.health = Endpoints("127.0.0.1", 0, self.metrics.registry, self.tells)
        self.port = 0

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.text()


@pytest.fixture
def log_lines() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
async def worker(log_lines: list[MutableMapping[str, Any]]) -> AsyncIterator[Worker]:
    worker = Worker()
    worker.port = await worker.health.start()
    yield worker
    await worker.health.stop()


async def test_healthy_while_the_loop_turns(worker: Worker) -> None:
    status, body = await worker.get("/healthz")
    assert (status, json.loads(body)) == (200, {"healthy": True})


async def test_ready_or_what_is_not(worker: Worker) -> None:
    assert await worker.get("/readyz") == (200, '{"ready": true}')
    worker.tells.lines = ["partition 3: catching up", "tables: recovering"]
    status, body = await worker.get("/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False, "not_ready": worker.tells.lines})
    assert (await worker.get("/healthz"))[0] == 200


async def test_metrics_are_those_of_the_registry(worker: Worker) -> None:
    worker.metrics.registry.register(QueueCollector(lambda: QueueSnapshot(pending={("openai", "per_round"): 7})))
    status, body = await worker.get("/metrics")
    assert status == 200
    assert 'roundbatch_pending_comparisons{provider="openai",strategy="per_round"} 7.0' in body


async def test_jobs_and_status_are_told_as_json(worker: Worker) -> None:
    assert await worker.get("/jobs") == (200, encode(worker.tells.jobs()))
    assert await worker.get("/status") == (200, encode(worker.tells.status()))


async def test_the_page_is_shown_and_may_load_nothing_else(worker: Worker) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{worker.port}/") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert (await answer.text()) == PAGE.read_text()


async def test_other_paths_are_not_found(worker: Worker) -> None:
    assert (await worker.get("/index.html"))[0] == 404


async def test_the_bound_port_is_logged(worker: Worker, log_lines: list[MutableMapping[str, Any]]) -> None:
    assert {"event": "health_listening", "host": "127.0.0.1", "port": worker.port, "log_level": "info"} in log_lines


async def test_a_taken_port_is_refused_with_the_remedy(worker: Worker) -> None:
    other = Endpoints("127.0.0.1", worker.port, CollectorRegistry(), worker.tells)
    with pytest.raises(EndpointsUnavailable, match=f"127.0.0.1:{worker.port} .* ROUNDBATCH_HEALTH_PORT"):
        await other.start()
    await other.stop()


async def test_stopping_closes_the_port_and_may_be_repeated(worker: Worker) -> None:
    await worker.health.stop()
    await worker.health.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await worker.get("/healthz")
