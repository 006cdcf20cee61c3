"""The demo's processes: what is said when one fails, and that none outlives the demo."""

import os
import signal
import sys
from pathlib import Path

import pytest

from demo import broker, services
from demo.environment import clean_environment
from demo.processes import Processes, ProcessFailed
from demo.sending import Sending

LISTEN = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    looks = 0
    def do_GET(self):
        Handler.looks += 1
        self.send_response(200 if Handler.looks > 1 and sys.argv[1] == "ready" else 503)
        self.end_headers()
        self.wfile.write(b"partition 3: catching up")
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("no JSON")
print(json.dumps({"event": "listening", "port": server.server_port}), flush=True)
server.serve_forever()
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_a_process_that_ends_early_is_named_with_its_exit_code_and_last_lines(tmp_path: Path) -> None:
    code = "import sys; [print('line', n) for n in range(30)]; sys.exit(70)"

    with Processes(tmp_path / "logs") as processes:
        worker = processes.start("worker", python(code), {})
        worker.popen.wait()
        with pytest.raises(ProcessFailed) as failed:
            processes.check()

    assert str(failed.value).startswith(f"the worker ended early with exit code 70; the last lines of {worker.log}:\n")
    assert "line 29" in str(failed.value)
    assert "line 17" not in str(failed.value)


def test_waiting_ends_at_once_when_a_process_has_been_killed(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        other = processes.start("simulator", python("input()"), {})
        worker = processes.start("worker", python("input()"), {})
        other.popen.kill()
        other.popen.wait()
        with pytest.raises(ProcessFailed, match="the simulator ended early with signal SIGKILL"):
            processes.wait_event(worker, "listening", timeout_s=60)


def test_lost_contact_is_explained_by_the_process_that_ended(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        broker_process = processes.start("broker", python("input()"), {})
        broker_process.popen.kill()
        failure = processes.lost(ConnectionRefusedError("no one listens"))

    assert str(failure).startswith("the broker ended early with signal SIGKILL")


def test_a_process_that_ends_badly_after_sigterm_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = 'import signal, sys; signal.signal(15, lambda *_: sys.exit(70)); print(\'{"event": "up"}\', flush=True); input()'

    with Processes(tmp_path) as processes:
        processes.wait_event(processes.start("worker", python(code), {}), "up", timeout_s=60)

    assert "the worker ended with exit code 70 after SIGTERM" in capfd.readouterr().err


def test_a_process_is_waited_for_until_it_listens_and_is_ready(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        server = processes.start("worker", python(LISTEN, "ready"), {})
        port = processes.wait_event(server, "listening", timeout_s=60)["port"]
        processes.wait_ready(server, f"http://127.0.0.1:{port}/readyz", timeout_s=60)
        assert server.popen.poll() is None


def test_what_is_not_ready_in_time_is_repeated_as_the_process_names_it(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        server = processes.start("worker", python(LISTEN, "never"), {})
        port = processes.wait_event(server, "listening", timeout_s=60)["port"]
        with pytest.raises(ProcessFailed, match=r"not ready within 0 s \(partition 3: catching up\)"):
            processes.wait_ready(server, f"http://127.0.0.1:{port}/readyz", timeout_s=0)
        with pytest.raises(ProcessFailed, match=r"not ready within 0 s \(no line with event adopted\)"):
            processes.wait_event(server, "adopted", timeout_s=0)


def test_all_are_ended_by_sigterm_in_reverse_order_also_on_ctrl_c(tmp_path: Path) -> None:
    code = """
import os, signal, sys
def end(*_):
    os.write(1, b"told ")
    with open(sys.argv[1], "a") as order:
        order.write(sys.argv[2] + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print('{"event": "up"}', flush=True)
signal.pause()
"""
    order = tmp_path / "order"
    started = []

    def interrupted() -> None:
        with Processes(tmp_path) as processes:
            for name in ("simulator", "worker"):
                started.append(processes.start(name, python(code, str(order), name), {}))
                processes.wait_event(started[-1], "up", timeout_s=60)
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGINT, before)

    assert order.read_text() == "worker simulator "
    assert [process.popen.returncode for process in started] == [0, 0]


def test_the_embedded_broker_serves_topics_on_first_use(tmp_path: Path) -> None:
    from demo.exchange import KafkaExchange
    from settings.kafka import KafkaSettings

    with Processes(tmp_path) as processes:
        process = processes.start("broker", [sys.executable, "-m", "demo.broker"], dict(os.environ))
        servers = str(processes.wait_event(process, broker.EVENT, timeout_s=60)["bootstrap_servers"])
        assert servers.startswith("127.0.0.1:")
        kafka = KafkaSettings(kafka_bootstrap_servers=servers)
        # Results are read from where their topic ended, so the first record, sent before, is none of theirs.
        with KafkaExchange(kafka, "results", "elsewhere") as earlier:
            earlier.send(b"138", b"before")
        with KafkaExchange(kafka, "results", "results") as exchange:
            exchange.send(b"138", b"one")
            exchange.send(b"139", b"two")
            came: list[bytes] = []
            for _ in range(600):
                came += exchange.receive(0.1)
                if len(came) >= 2:
                    break
        assert sorted(came) == [b"one", b"two"]


@pytest.mark.parametrize("sending", [Sending(), Sending(http=True)])
def test_nothing_of_the_readers_environment_leads_to_a_real_provider(sending: Sending) -> None:
    given = {
        "PATH": "/bin",
        "ANTHROPIC_API_KEY": "real",
        "OPENAI_ORG_ID": "real",
        "GOOGLE_API_KEY": "real",
        "OPENROUTER_API_KEY": "real",
        "ROUNDBATCH_OPENAI__BASE_URL": "https://api.example",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "HTTPS_PROXY": "http://proxy:3128",
    }

    environment = clean_environment(given) | services.worker_settings(
        {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}, "http://127.0.0.1:8", services.EMBEDDED, Path("state"), sending
    )

    assert environment["PATH"] == "/bin"
    assert environment["ROUNDBATCH_ANTHROPIC__BASE_URL"] == "http://127.0.0.1:8"
    assert environment["ROUNDBATCH_OPENAI__BASE_URL"] == "http://127.0.0.1:8/v1"
    for judge in sending.judges:
        url = environment.get(f"ROUNDBATCH_{judge.provider.upper()}__BASE_URL", "")
        assert url.startswith("http://127.0.0.1:8") or judge.provider == "mock"
    assert environment["NO_PROXY"] == "127.0.0.1"
    assert "real" not in environment.values()
    assert not any("example" in value or "kafka:" in value for value in environment.values())


@pytest.mark.parametrize("topics", [services.EMBEDDED, services.OWN_KAFKA])
def test_the_worker_takes_the_settings_it_is_given(topics: services.Topics) -> None:
    from settings.settings import load_settings

    kafka = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    settings = load_settings(services.worker_settings(kafka, "http://127.0.0.1:8", topics, Path("state"), Sending()))

    assert settings.request_topic == topics.request
    assert settings.allowed_callback_topics == (topics.result,)
    assert settings.partitions == broker.PARTITIONS
    assert settings.testing.embedded_broker == (topics is services.EMBEDDED)


def test_ones_own_kafka_is_taken_where_it_is_named() -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "ROUNDBATCH_KAFKA_BOOTSTRAP_SERVERS"):
        own = {name: " kafka:9092 ", "KAFKA_SASL_PASSWORD_FILE": "/run/secrets/kafka", "ROUNDBATCH_KAFKA_SSL_CA_FILE": "ca.pem"}
        assert broker.of_environment({**own, "ROUNDBATCH_PARTITIONS": "3", "KAFKA_NODE_ID": "1"}) == own
    assert broker.of_environment({"KAFKA_BOOTSTRAP_SERVERS": "", "KAFKA_SASL_USERNAME": "me"}) == {}
    assert broker.of_environment({}) == {}
