"""What stands in JSON at /status and /jobs, and what `watch --json` and `jobs --json` print: other programs read it.

The files of `status/` hold it as it was told before; a field that is added is added there by hand.
"""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from agents.status.endpoints import Endpoints
from cli.main import app
from tests.harness.status_example import listed, told

TOLD = Path(__file__).with_name("status")


def lines(text: str) -> list[str]:
    """JSON, a value a line, in the order and with the numbers that it has."""
    return json.dumps(json.loads(text), indent=1).splitlines()


def as_told(name: str) -> list[str]:
    return (TOLD / f"{name}.json").read_text().splitlines()


@pytest.fixture
def worker() -> Iterator[str]:
    """A worker that answers what it was recorded to tell."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (TOLD / f"{self.path.rpartition('/')[2]}.json").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["status", "jobs"])
async def test_what_a_worker_tells(path: str) -> None:
    task = asyncio.current_task()
    endpoints = Endpoints(
        "127.0.0.1", 0, CollectorRegistry(), not_ready=list, status=lambda: told(task), jobs=lambda: listed(task)
    )
    port = await endpoints.start()
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/{path}") as answer:
            assert lines(await answer.text()) == as_told(path)
    finally:
        await endpoints.stop()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("command", [("watch",), ("jobs", "--no-look")], ids=["watch", "jobs"])
def test_what_the_commands_print(worker: str, command: tuple[str, ...], workers: int) -> None:
    done = CliRunner().invoke(app, [*command, "--json", *["--url", worker] * workers])
    assert (done.exit_code, done.stderr) == (0, "")
    assert lines(done.stdout) == as_told(f"{command[0]}_of_{workers}")


def test_what_watch_prints_when_no_worker_answers() -> None:
    done = CliRunner().invoke(app, ["watch", "--json", "--url", "http://127.0.0.1:1"])
    (failure,) = json.loads(done.stdout)["failures"]
    assert lines(done.stdout.replace(json.dumps(failure), '"…"')) == as_told("watch_of_none")
