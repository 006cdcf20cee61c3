"""The worker and every command on a Kafka that asks for TLS and for who one is: by the settings alone."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from demo.environment import clean_environment
from demo.exchange import KafkaExchange
from settings.settings import load_settings
from simulator.control import SimulatorControl
from streams.kafka import security
from streams.kafka.security import KafkaRefused
from tests.brokers.certificates import Authority
from tests.brokers.secured import KEY_PASSWORD, PLAIN_USERS, SecuredKafka
from tests.brokers.topics import create_topics
from tests.harness.deployment import Deployment, deployment
from tests.harness.token_server import token_server, unsigned_token
from tests.harness.worker import WorkerProcess
from tests.waiting import LIMIT_S, until

PASSWORD = "a secret of the user"
CLIENT_SECRET = "a secret of the client"
EVERYTHING = (("topic", "*", "all"), ("group", "*", "all"), ("cluster", "kafka-cluster", "all"))
USER = "everything"
ID = "0b6a2b62-6d1e-4f0e-8f9a-4d6f8b8f9a10"

Env = dict[str, str]
Command = Callable[..., Result]


@pytest.fixture(scope="module")
def secured(secured_kafka: SecuredKafka) -> SecuredKafka:
    """With a user of every kind who may do everything."""
    secured_kafka.add_user(USER, PASSWORD)
    for user in (USER, *PLAIN_USERS, "CN=client", "CN=locked"):
        secured_kafka.allow(user, EVERYTHING)
    return secured_kafka


def scram(secured: SecuredKafka) -> Env:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": secured.sasl_ssl,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CA_FILE": str(secured.ca_file),
    }


def scram_256(secured: SecuredKafka) -> Env:
    return scram(secured) | {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}


def plain(secured: SecuredKafka) -> Env:
    [(name, password)] = PLAIN_USERS.items()
    user = {"KAFKA_SASL_USERNAME": name, "KAFKA_SASL_PASSWORD": password}
    return scram(secured) | {"KAFKA_SASL_MECHANISM": "PLAIN", **user}


def unwrapped(secured: SecuredKafka) -> Env:
    found = scram(secured) | {"KAFKA_BOOTSTRAP_SERVERS": secured.sasl_plaintext, "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    del found["KAFKA_SSL_CA_FILE"]
    return found


def mutual(secured: SecuredKafka) -> Env:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": secured.ssl,
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CA_FILE": str(secured.ca_file),
        "KAFKA_SSL_CERT_FILE": str(secured.client.certificate),
        "KAFKA_SSL_KEY_FILE": str(secured.client.key),
    }


def locked(secured: SecuredKafka) -> Env:
    return mutual(secured) | {
        "KAFKA_SSL_CERT_FILE": str(secured.locked_client.certificate),
        "KAFKA_SSL_KEY_FILE": str(secured.locked_client.key),
        "KAFKA_SSL_KEY_PASSWORD": KEY_PASSWORD,
    }


@contextmanager
def bearer(secured: SecuredKafka, token: Callable[[], str] = lambda: unsigned_token(USER)) -> Iterator[Env]:
    """OAUTHBEARER, as long as its token server lasts."""
    with token_server(200, lambda: {"access_token": token(), "expires_in": 3_600}) as server:
        kept = ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SSL_CA_FILE")
        yield {name: scram(secured)[name] for name in kept} | {
            "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "KAFKA_OAUTH_TOKEN_URL": server.url,
            "KAFKA_OAUTH_CLIENT_ID": "roundbatch",
            "KAFKA_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        }


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """`roundbatch …` with no other settings than these."""
    for name in os.environ.keys() - clean_environment(os.environ).keys():
        monkeypatch.delenv(name)
    return lambda env, *arguments: CliRunner(env=env).invoke(app, arguments)


BY_BOTH = [b"by aiokafka", b"by confluent-kafka"]


def sent_and_read(env: Env, topic: str) -> list[bytes]:
    """What comes back of a record sent by aiokafka, and of one sent by confluent-kafka."""
    settings = load_settings(env)

    async def by_aiokafka() -> list[bytes]:
        await security.check(settings)
        producer = security.producer(settings)
        consumer = security.consumer(settings, topic, group_id=f"{topic}-group", auto_offset_reset="earliest")
        await producer.start()
        await consumer.start()
        try:
            await producer.send_and_wait(topic, b"by aiokafka")
            return [(await consumer.getone()).value]
        finally:
            await producer.stop()
            await consumer.stop()

    came = asyncio.run(asyncio.wait_for(by_aiokafka(), LIMIT_S))
    with KafkaExchange(settings, topic, topic) as exchange:
        exchange.send(b"key", b"by confluent-kafka")
        until(lambda: came.extend(exchange.receive(0.1)) or len(came) > 1, "the second record comes back")
    return came


@pytest.mark.parametrize("way", [scram, scram_256, plain, unwrapped, mutual, locked])
def test_both_libraries_get_in_by_each_way(secured: SecuredKafka, unique: str, way: Callable[[SecuredKafka], Env]) -> None:
    create_topics(secured.plain, {unique: 1})
    assert sent_and_read(way(secured), unique) == BY_BOTH


def test_both_libraries_get_in_by_tokens(secured: SecuredKafka, unique: str) -> None:
    create_topics(secured.plain, {unique: 1})
    with bearer(secured) as env:
        assert sent_and_read(env, unique) == BY_BOTH


@pytest.fixture
def deployed(secured: SecuredKafka, unique: str, tmp_path: Path, simulator: SimulatorControl) -> Iterator[Deployment]:
    """Reads and writes by the plain listener what its workers do by theirs."""
    with deployment(secured.plain, unique, tmp_path, simulator) as made:
        yield made


def test_the_settings_alone_are_enough_for_the_worker_and_every_command(
    deployed: Deployment, secured: SecuredKafka, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    by_password = {**scram(secured), "KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password")}
    del by_password["KAFKA_SASL_PASSWORD"]
    topics = {name: value for name, value in deployed.environment(**by_password).items() if "TOPIC" in name}
    env = {f"ROUNDBATCH_{name}": value for name, value in by_password.items()} | topics  # the names with the prefix
    bodies = [deployed.body(batch="138") for _ in range(4)]
    (tmp_path / "round.jsonl").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    ids = [body["correlation_id"] for body in bodies]

    with bearer(secured) as by_token:
        # One group, two ways in.
        workers = [deployed.worker("a", ready=False, **by_password), deployed.worker("b", ready=False, **by_token)]
        for one in workers:
            one.wait_ready()
        submitted = command(env, "submit", str(tmp_path / "round.jsonl"), "--json")
        deployed.sent += ids
        deployed.wait_answered()
        shown = command(env, "results", "--json")
        explained = command(env, "explain", ids[0], "--json")
        cancelled = command(env, "cancel", "139", "--yes", "--json")
        letters = command(env, "dead-letters", "--json")
        config = command(env, "config")
        exits = [one.stop() for one in workers]

    done = (submitted, shown, explained, cancelled, letters, config)
    assert [one.exit_code for one in done] == [0] * len(done), "\n".join(one.stderr for one in done)
    assert exits == [0, 0]
    assert json.loads(submitted.stdout)["comparisons"] == 4
    assert sorted(json.loads(line)["correlation_id"] for line in shown.stdout.splitlines()) == sorted(ids)
    assert json.loads(explained.stdout)["standing"] == "ended"
    assert json.loads(cancelled.stdout)["partitions"] == 2
    said = "".join([*(one.stdout + one.stderr for one in done), *(one.log_path.read_text() for one in deployed.workers)])
    for secret in (PASSWORD, CLIENT_SECRET, "Bearer"):
        assert secret not in said


def test_who_is_not_let_in_is_told_why_in_the_last_line(secured: SecuredKafka, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    cases = {
        "user 'everything' by SCRAM-SHA-512: Authentication failed": {"KAFKA_SASL_PASSWORD": "another"},
        "mechanism SCRAM-SHA-512. Check KAFKA_SASL_USERNAME and _PASSWORD": {"KAFKA_SASL_USERNAME": "nobody"},
        "user 'plain' by PLAIN: Authentication failed": {**plain(secured), "KAFKA_SASL_PASSWORD": "another"},
        "is not trusted: unable to get local issuer certificate. KAFKA_SSL_CA_FILE": {"KAFKA_SSL_CA_FILE": str(stranger.ca)},
        "used was this machine's authorities": {"KAFKA_SSL_CA_FILE": ""},
        # The same address under a name that no certificate holds.
        "is for another name": {"KAFKA_BOOTSTRAP_SERVERS": secured.sasl_ssl.replace("127.0.0.1", "127.1")},
    }
    for said, other in cases.items():
        with pytest.raises(KafkaRefused) as caught:
            asyncio.run(security.check(load_settings(scram(secured) | other)))
        assert said in str(caught.value)
        assert "another'" not in str(caught.value)
    strange = stranger.sign("client")
    files = {"KAFKA_SSL_CERT_FILE": str(strange.certificate), "KAFKA_SSL_KEY_FILE": str(strange.key)}
    with pytest.raises(KafkaRefused, match=r"does not accept the client's certificate \(it was KAFKA_SSL_CERT_FILE\)"):
        asyncio.run(security.check(load_settings(mutual(secured) | files)))
    for token in ("garbage", unsigned_token(USER, ends_in_s=-60)):
        with bearer(secured, lambda token=token: token) as env, pytest.raises(KafkaRefused, match="does not let in the token"):
            asyncio.run(security.check(load_settings(env)))
    lax = {"KAFKA_BOOTSTRAP_SERVERS": secured.sasl_ssl.replace("127.0.0.1", "127.1"), "KAFKA_SSL_CHECK_HOSTNAME": "false"}
    asyncio.run(security.check(load_settings(scram(secured) | lax)))


@pytest.mark.parametrize(
    ("other", "code", "said"),
    [
        ({"KAFKA_SASL_PASSWORD": "another one"}, 78, "does not let in user 'everything' by SCRAM-SHA-512"),
        ({"KAFKA_SSL_CA_FILE": ""}, 78, "is not trusted"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 69, "no Kafka answers: 127.0.0.1:1: Connection refused; set "),
    ],
)
def test_the_worker_and_the_commands_end_alike(
    secured: SecuredKafka, command: Command, tmp_path: Path, other: Env, code: int, said: str
) -> None:
    env = scram(secured) | other
    worker = WorkerProcess({**env, "ROUNDBATCH_STATE_DIR": str(tmp_path / "state")}, tmp_path / "worker.log")
    (tmp_path / "one.jsonl").write_text(f'{{"correlation_id": "{ID}"}}\n')
    ran = [
        command(env, "results"),
        command(env, "submit", str(tmp_path / "one.jsonl")),
        command(env, "explain", ID),
        command(env, "cancel", "138", "--yes"),
        command(env, "dead-letters"),
        command(env, "demo", "--out", str(tmp_path)),
        command(env, "compare", "--out", str(tmp_path)),
    ]
    ends = [(one.exit_code, one.stderr) for one in ran] + [(worker.wait_exit(), worker.tail())]
    worker.close()
    for ended, stderr in ends:
        assert ended == code, stderr
        assert said in stderr.splitlines()[-1]
        assert "another one" not in stderr
        assert "Traceback" not in stderr
