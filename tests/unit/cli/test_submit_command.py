"""`roundbatch submit` and `roundbatch results`, on librdkafka's mock cluster."""

import json
import signal
import subprocess
import sys
import uuid
from importlib.metadata import version
from pathlib import Path

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from cli import results
from cli.main import app
from demo.exchange import KafkaExchange
from settings.kafka import KafkaSettings
from tests.waiting import LIMIT_S

EXAMPLES = Path(__file__).parents[3] / "examples"
REQUESTS = "huleedu.llm_provider.comparison_requested.v1"
RESULTS = "huleedu.llm_provider.comparison_result.v1"
WIRE = Path(__file__).parents[2] / "examples"


def run(*arguments: str, servers: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [*arguments, "--bootstrap-servers", servers], input=text)


def at(servers: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=servers)


def take(exchange: KafkaExchange, wanted: int) -> list[bytes]:
    came: list[bytes] = []
    for _ in range(300):
        came += exchange.receive(0.1)
        if len(came) >= wanted:
            break
    return came


def test_the_sample_requests_arrive_as_a_record_for_each_round(mock_cluster: str) -> None:
    with KafkaExchange(at(mock_cluster), REQUESTS, REQUESTS) as exchange:
        sent = run("submit", str(EXAMPLES / "requests.jsonl"), "--json", servers=mock_cluster)
        came = take(exchange, 3)

    assert sent.exit_code == 0
    assert json.loads(sent.stdout) == {"comparisons": 5, "rounds": 3, "records": 3, "rejected_lines": [], "failures": []}
    found = [member for value in came for member in json.loads(value)["data"]["comparisons"]]
    posted = [json.loads(line) for line in (EXAMPLES / "requests.jsonl").read_text().splitlines()]
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, posted))


def test_stdin_is_read_and_the_table_says_what_was_sent(mock_cluster: str) -> None:
    with KafkaExchange(at(mock_cluster), REQUESTS, "of.my.own") as exchange:
        body = json.dumps({"correlation_id": str(uuid.uuid4()), "metadata": {"cj_batch_id": "138"}})
        sent = run("submit", "-", "--topic", "of.my.own", servers=mock_cluster, text=f"{body}\n{body}\n")
        came = take(exchange, 1)

    assert sent.exit_code == 0
    assert "2 comparisons in 1 round sent" in " ".join(sent.stdout.split())
    assert len(json.loads(came[0])["data"]["comparisons"]) == 2


def test_one_bad_line_and_nothing_is_sent(mock_cluster: str, tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(json.dumps({"correlation_id": str(uuid.uuid4())}) + '\n{"user_prompt": \n')

    with KafkaExchange(at(mock_cluster), REQUESTS, "refused") as exchange:
        refused = run("submit", str(file), "--topic", "refused", "--json", servers=mock_cluster)
        assert exchange.receive(0.1) == []

    assert refused.exit_code == 1
    told = json.loads(refused.stdout)
    assert (told["comparisons"], told["records"]) == (0, 0)
    assert [line["line"] for line in told["rejected_lines"]] == [2]
    assert "line 2: not JSON" in refused.stderr
    assert "nothing was sent" in refused.stderr


def test_a_missing_file_and_a_missing_topic_are_said_in_a_line(mock_cluster: str, tmp_path: Path) -> None:
    lost = run("submit", str(tmp_path / "no.jsonl"), servers=mock_cluster)
    assert lost.exit_code == 1
    assert "cannot read" in lost.stderr

    nowhere = run("submit", str(EXAMPLES / "requests.jsonl"), "--topic", "nowhere", servers=mock_cluster)
    assert nowhere.exit_code == 1
    assert "topic nowhere does not exist" in nowhere.stderr
    assert "submit the same file again" not in nowhere.stderr  # nothing has been sent
    unseen = run("results", "--topic", "nowhere", servers=mock_cluster)
    assert unseen.exit_code == 1
    assert "topic nowhere does not exist" in unseen.stderr


def test_kafka_and_topics_are_found_by_the_workers_settings(mock_cluster: str) -> None:
    """By the names with the prefix too; an option wins."""
    env = {"KAFKA_BOOTSTRAP_SERVERS": "", "ROUNDBATCH_KAFKA_BOOTSTRAP_SERVERS": mock_cluster}
    named = {**env, "ROUNDBATCH_REQUEST_TOPIC": "named.requests", "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": "named.results"}
    for topic in ("named.requests", "named.results", "named.work"):
        with KafkaExchange(at(mock_cluster), topic, topic) as exchange:
            exchange.send(b"138", b"{}")

    def by_settings(*arguments: str, **more: str) -> Result:
        return CliRunner(env={**named, **more}).invoke(app, arguments)

    assert by_settings("submit", str(EXAMPLES / "requests.jsonl")).exit_code == 0
    assert by_settings("results", "--json").stdout == "{}\n"
    assert by_settings("cancel", "138", "--yes", ROUNDBATCH_WORK_TOPIC="named.work").exit_code == 0
    elsewhere = {"ROUNDBATCH_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    assert by_settings("results", **elsewhere).exit_code == 69
    assert by_settings("results", "--bootstrap-servers", mock_cluster, **elsewhere).exit_code == 0


@pytest.mark.parametrize("command", [["submit", "-"], ["results"], ["cancel", "138", "--yes"]])
def test_servers_are_checked_as_the_setting_is(command: list[str]) -> None:
    refused = run(*command, servers="kafka://garbage")
    assert refused.exit_code == 2
    assert "must be host:port[,host:port…] without a scheme" in " ".join(refused.stderr.replace("│", " ").split())


def test_results_end_where_the_topic_ends_now(mock_cluster: str) -> None:
    values = [(WIRE / f"{name}_event.wire").read_bytes() for name in ("success", "error")]
    with KafkaExchange(at(mock_cluster), RESULTS, RESULTS) as exchange:
        for value in values:
            exchange.send(b"138", value)

    shown = run("results", servers=mock_cluster)
    raw = run("results", "--json", servers=mock_cluster)

    assert (shown.exit_code, raw.exit_code) == (0, 0)
    assert raw.stdout.encode() == b"".join(value + b"\n" for value in values)
    success, error = shown.stdout.splitlines()
    assert "7b0d2b4e-3f53-4d0c-8c39-5d0c6c8e9a21  Essay B" in success
    assert "4.0  anthropic  claude-haiku-4-5-20251001  $0.021410" in success
    assert "EXTERNAL_SERVICE_ERROR    -  anthropic" in error


def test_no_results_are_told_and_a_line_is_in_columns(mock_cluster: str) -> None:
    Producer({"bootstrap.servers": mock_cluster, "log_level": 0}).list_topics("bare", timeout=LIMIT_S)
    none = run("results", "--topic", "bare", servers=mock_cluster)
    assert (none.exit_code, none.stdout) == (0, "")
    assert none.stderr == "no result events in bare yet; --follow waits for them\n"
    data = {"correlation_id": "id", "winner": "Essay A", "confidence": 4.5, "cost_estimate": 0.00006}
    shown = [
        results.line(json.dumps({"data": {**data, "provider": provider, "model": model}}).encode())
        for provider, model in (("anthropic", "claude-haiku-5-5"), ("openai", "gpt-6-luna"))
    ]
    assert shown == [
        "id  Essay A                 4.5  anthropic  claude-haiku-5-5           $0.000060",
        "id  Essay A                 4.5  openai     gpt-6-luna                 $0.000060",
    ]


def test_a_reader_that_has_seen_enough_is_no_failure(mock_cluster: str) -> None:
    """`roundbatch results --json | head -1`, with more than a pipe holds (64 KiB on Linux)."""
    value = (WIRE / "success_event.wire").read_bytes()
    with KafkaExchange(at(mock_cluster), "piped", "piped") as exchange:
        for _ in range(200):
            exchange.send(b"138", value)
    roundbatch = str(Path(sys.executable).with_name("roundbatch"))
    command = [roundbatch, "results", "--json", "--topic", "piped", "--bootstrap-servers", mock_cluster]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        assert reading.stdout.readline() == value + b"\n"
        reading.stdout.close()
        said = reading.stderr.read()

    assert (reading.returncode, said) == (0, b"")


def test_servers_that_are_none_are_refused_as_the_setting_is(mock_cluster: str) -> None:
    refused = run("submit", str(EXAMPLES / "requests.jsonl"), servers="garbage")

    assert refused.exit_code == 2
    assert "must be host:port" in " ".join(refused.stderr.replace("│", " ").split())


def test_the_version_and_the_completion_of_a_shell_are_there() -> None:
    told = CliRunner().invoke(app, ["--version"])

    assert (told.exit_code, told.stdout) == (0, f"roundbatch {version('roundbatch')}\n")
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b'{"data": {}}', b'{"data": {"winner": null, "error_detail": null}}'])
def test_what_is_no_result_event_is_shown_as_such(value: bytes) -> None:
    assert results.line(value).startswith("not a result event: b")


def test_following_prints_what_comes_until_it_is_interrupted(mock_cluster: str) -> None:
    value = (WIRE / "success_event.wire").read_bytes()
    command = [str(Path(sys.executable).with_name("roundbatch")), "results", "--follow", "--from-beginning", "--json"]
    with KafkaExchange(at(mock_cluster), "followed", "followed") as exchange:
        exchange.send(b"138", value)
        following = subprocess.Popen(
            [*command, "--topic", "followed", "--bootstrap-servers", mock_cluster],
            stdout=subprocess.PIPE,
            # A run in the background ignores SIGINT, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        with following:
            assert following.stdout is not None
            assert following.stdout.readline() == value + b"\n"
            exchange.send(b"138", b"later")
            assert following.stdout.readline() == b"later\n"
            following.send_signal(signal.SIGINT)
            try:
                assert following.wait(LIMIT_S) == 0
            finally:
                following.kill()
