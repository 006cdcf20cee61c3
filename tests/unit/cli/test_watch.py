"""`roundbatch watch`: what is drawn of a status, several workers as one, and what the command prints."""

import asyncio
import io
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.asking import worker_url
from cli.main import app
from cli.watch.command import _follow
from cli.watch.view import span, view
from settings.settings import load_settings
from streams.wire.status.encode import encode
from streams.wire.status.limits import Left, QueueUse
from streams.wire.status.money import MoneyStatus
from streams.wire.status.queue import PendingCount
from streams.wire.status.told import MergedStatus, Status, merge
from tests.harness.status_example import EVIL, told


@pytest.fixture
async def status() -> Status:
    return told(asyncio.current_task())


def drawn(told: MergedStatus, *failures: str, width: int = 130) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(view(told, failures, width))
    return console.export_text()


async def test_what_a_person_wants_to_see(status: Status) -> None:
    text = drawn(merge([status]), "no worker answers at http://b")
    for shown in (
        " ready   1 worker, 1 partition\n",
        "silent: outbox for 75 s",
        "66 comparisons wait, the oldest 55 min, the nearest deadline in 13 min; 1,482 answered, 2 TIMEOUT",
        "no worker answers at http://b",
        "2 windows",
        "4 jobs open",
        "6 of 12",
        "6 rounds open, 2 gathering",
        "11 of 12",
        "1,200 of 40,000",
        "3 of 16, 9 wait, paused for 12 s",
        "anthropic  all models  items  240 of 1,000",
        "spent today $1.8342, reserved $0.4000, of a budget of $5.00",
        "openai is paused: quota, 4 jobs wait, next try in 42 s. HTTP 429 insufficient_quota",
        "the price of openai gpt-7 is not known",
        EVIL,
    ):
        assert shown in text, f"{shown}\n{text}"
    (held,) = (line for line in text.splitlines() if "cj:142:0" in line)
    told_of = [word for word in held.split() if not set(word) & set("━╸╺")]  # without the bar
    assert " ".join(told_of) == "cj:142:0 anthropic claude-haiku-5-5 held 0 of 12 13 min 55 min 13 min"


async def test_of_a_single_one_and_of_none(status: Status) -> None:
    one = replace(
        status,
        queue=replace(status.queue, waiting=1),
        jobs=replace(status.jobs, open=1),
        rounds=replace(status.rounds, open=1),
    )
    text = drawn(merge([one]))
    assert "1 comparison waits, the oldest 55 min, " in text
    assert "1 job open" in text
    assert "1 round open" in text
    none = replace(status, queue=replace(status.queue, waiting=0, oldest_s=None, nearest_deadline_s=None))
    assert "nothing waits; 1,482 answered" in drawn(merge([none]))


async def test_80_columns_are_enough(status: Status) -> None:
    lines = drawn(merge([status]), width=80).splitlines()
    assert any(
        line.split() == ["cj:139:0", "openai", "gpt-6-luna", "submitted", "6", "of", "12", "12", "min", "14", "min", "2.5", "h"]
        for line in lines
    )
    assert any("1,200 of 40,000" in line for line in lines)


async def test_workers_merge(status: Status) -> None:
    anthropic, openai = status.money.accounts
    other = replace(
        status,
        queue=replace(status.queue, waiting=0, oldest_s=None, nearest_deadline_s=100.0),
        money=replace(status.money, accounts=[replace(anthropic, state="trying", waiting_jobs=2), openai]),
    )
    both = merge([status, other])
    assert [worker.run for worker in both.workers] == ["3f9c2a7be1"] * 2
    assert (both.queue.waiting, both.queue.oldest_s, both.queue.nearest_deadline_s) == (66, 3_300.0, 100.0)
    assert both.queue.pending == [PendingCount("openai", "per_round", 132)]
    assert [(stage.state, stage.count) for stage in both.queue.stages][:2] == [("window", 4), ("planned", 2)]
    assert both.results == {"answered": 2_964, "TIMEOUT": 4}
    assert (both.rounds.open, both.jobs.open, len(both.jobs.shown)) == (12, 8, 8)
    assert both.jobs.shown[0].age_s == both.jobs.shown[1].age_s > both.jobs.shown[2].age_s
    limits = both.limits[1]
    assert (limits.under_way, limits.pause_s) == (6, 12.0)
    assert limits.left[0] == Left("gpt-6-luna", "requests", 100.0, 62.0, 12.0)
    assert both.enqueued == [QueueUse("anthropic", "", "items", 480, 2_000.0, 4)]
    assert isinstance(both.money, MoneyStatus)
    assert both.money.day.spent_usd == pytest.approx(2 * 1.8342)
    assert both.money.day.limit_usd == 5.0
    assert [(one.account, one.state, one.waiting_jobs) for one in both.money.accounts] == [
        ("anthropic", "trying", 2),
        ("openai", "paused", 8),
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0.04, "0.0 s"),
        (9.5, "9.5 s"),
        (42, "42 s"),
        (840, "14 min"),
        (9_000, "2.5 h"),
        (260_000, "3 d"),
        (-90, "−90 s"),
    ],
)
def test_a_length_of_time_is_one_word(seconds: float | None, said: str) -> None:
    assert span(seconds) == said


@pytest.fixture
def worker(request: pytest.FixtureRequest) -> Iterator[str]:
    """A worker's health port, as far as this command asks it."""
    answer = encode(told()).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/status" else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_command_prints_json_once(worker: str) -> None:
    done = CliRunner().invoke(app, ["watch", "--json", "--url", worker, "--url", f"{worker}/"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (len(found["workers"]), found["queue"]["waiting"], found["failures"]) == (2, 132, [])


def test_without_a_terminal_it_draws_once_and_says_who_does_not_answer(worker: str) -> None:
    done = CliRunner().invoke(app, ["watch", "--url", worker, "--url", f"{worker}/elsewhere"])
    assert done.exit_code == 1
    assert "66 comparisons wait" in done.stdout
    assert f"no worker answers at {worker}/elsewhere (404" in done.stderr
    assert CliRunner().invoke(app, ["watch", "--url", f"{worker}/elsewhere"]).stdout == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_by_default_the_worker_of_these_settings_is_asked(worker: str, host: str) -> None:
    env = {"ROUNDBATCH_HEALTH_HOST": host, "ROUNDBATCH_HEALTH_PORT": worker.rpartition(":")[2]}
    done = CliRunner(env=env).invoke(app, ["watch", "--json"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["workers"]) == 1


def test_an_address_of_ip_6_is_in_brackets() -> None:
    assert worker_url(load_settings({"ROUNDBATCH_HEALTH_HOST": "::", "ROUNDBATCH_HEALTH_PORT": "8081"})) == "http://[::1]:8081"


@pytest.mark.parametrize("command", ["watch", "jobs"])
def test_a_worker_that_is_not_there_is_told_in_plain_words(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    done = CliRunner(env={"ROUNDBATCH_HEALTH_PORT": port}).invoke(app, [command])
    assert done.exit_code == 1
    assert f"no worker answers at http://127.0.0.1:{port} (Connection refused): start it, or name " in done.stderr


@pytest.mark.parametrize("command", ["watch", "jobs"])
def test_a_port_that_only_the_worker_knows_must_be_named(command: str) -> None:
    done = CliRunner(env={"ROUNDBATCH_HEALTH_PORT": "0", "COLUMNS": "200"}).invoke(app, [command])
    assert done.exit_code == 2
    assert "ROUNDBATCH_HEALTH_PORT=0 is any free port" in done.stderr


def test_on_a_terminal_it_looks_again_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not answer at first is asked again; Ctrl-C is the way out, and no error."""
    looks: list[tuple[list[Status], list[str]]] = [([], ["no worker answers at http://w"]), ([told()], [])]

    async def ask_all(urls: list[str], path: str, shape: type[Status]) -> tuple[list[Status], list[str]]:
        assert (urls, path, shape) == (["http://w"], "/status", Status)
        if not looks:
            raise KeyboardInterrupt
        return looks.pop(0)

    monkeypatch.setattr("cli.watch.command.ask_all", ask_all)
    terminal = io.StringIO()
    _follow(["http://w"], 0.0, Console(file=terminal, force_terminal=True, color_system=None, width=120))
    first, _, second = terminal.getvalue().partition("no worker answers at http://w")
    assert looks == []
    assert "\x1b[?1049h" in first  # the other screen
    assert "66 comparisons wait" in second
    assert "spent today" in second  # on 25 lines
    assert "4 jobs open, the oldest 3" in second
    assert second.endswith("\x1b[?25h\x1b[?1049l")  # the cursor, and the first screen
