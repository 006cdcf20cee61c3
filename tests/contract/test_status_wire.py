"""What stands in JSON at /status, /jobs and /rankings, and what `watch --json` and `jobs --json` print: other programs read it.

The files of `status/` hold it as it was told before; a field that is added is added there by hand.
"""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from agents.status.endpoints import Endpoints
from cli.main import app
from tests.harness.status_example import Teller, listed, told

TOLD = Path(__file__).with_name("status")


def lines(text: str) -> list[str]:
    """JSON, a value a line, in the order and with the numbers that it has."""
    return json.dumps(json.loads(text), indent=1).splitlines()


def as_told(name: str) -> list[str]:
    return (TOLD / f"{name}.json").read_text().splitlines()


@pytest.fixture
def answers() -> dict[str, str]:
    """What the worker answers by path; a test may change it."""
    return {f"/{path}": (TOLD / f"{path}.json").read_text() for path in ("status", "jobs")}


@pytest.fixture
def worker(answers: dict[str, str]) -> Iterator[str]:
    """A worker that answers what was recorded."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answers[self.path].encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["status", "jobs", "rankings"])
async def test_what_a_worker_tells(path: str) -> None:
    task = asyncio.current_task()
    endpoints = Endpoints("127.0.0.1", 0, CollectorRegistry(), Teller(told(task), listed(task)))
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


def of_a_newer_worker(told: Any) -> Any:
    """The same with a field that this version does not have, in every object of it that has fields."""
    if isinstance(told, list):
        return [of_a_newer_worker(one) for one in told]
    if not isinstance(told, dict):
        return told
    within = {name: of_a_newer_worker(value) for name, value in told.items()}
    return within if set(told) & NAMED_BY_VALUES or not told else {**within, "added_since": {"some": ["thing"]}}


#: Words that are keys of a mapping: these objects hold what they are told of, and no fields.
NAMED_BY_VALUES = {"answered", "timers", "request", "0", "position"}


@pytest.mark.parametrize("command", [("watch",), ("jobs", "--no-look")], ids=["watch", "jobs"])
def test_what_a_newer_worker_tells_besides_is_passed_over(
    worker: str, answers: dict[str, str], command: tuple[str, ...]
) -> None:
    for path, text in answers.items():
        answers[path] = json.dumps(of_a_newer_worker(json.loads(text)))
    assert answers["/status"].count("added_since") > 30
    done = CliRunner().invoke(app, [*command, "--json", "--url", worker])
    assert (done.exit_code, done.stderr) == (0, "")
    assert lines(done.stdout) == as_told(f"{command[0]}_of_1")


@pytest.mark.parametrize("command", ["watch", "jobs"])
def test_a_worker_that_lacks_a_field_is_said_to_be_of_another_version(
    worker: str, answers: dict[str, str], command: str
) -> None:
    answers["/status"] = answers["/status"].replace('"lived_s"', '"lives_s"')
    answers["/jobs"] = answers["/jobs"].replace('"open_members"', '"left"')
    done = CliRunner().invoke(app, [command, "--url", worker])
    path, where = {"watch": ("/status", "worker.lived_s"), "jobs": ("/jobs", "jobs.0.open_members")}[command]
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"the worker at {worker} is of another version: its {path} has another shape ({where}: Field required). "
        "Run this command with the version of roundbatch that the worker has\n"
    )


def test_states_that_a_newer_worker_has_added_are_shown(worker: str, answers: dict[str, str]) -> None:
    answers["/status"] = answers["/status"].replace('"paused",', '"frozen",').replace('"held",', '"parked",')
    done = CliRunner().invoke(app, ["watch", "--url", worker, "--url", worker])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "openai is frozen: quota" in done.stdout
    assert "parked" in done.stdout
