"""Every client of Kafka is made where security is dealt with: one made elsewhere would not get into a secured Kafka."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = (
    *("agents", "bench", "cli", "compare", "demo", "domain", "gateway"),
    *("providers", "settings", "simulator", "streams", "tables"),
)
#: Whoever calls one of these connects to Kafka.
CLIENTS = {
    "aiokafka": {"AIOKafkaClient", "AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "AIOKafkaConnection"},
    "confluent_kafka": {
        *("AdminClient", "AIOConsumer", "AIOProducer", "Consumer", "DeserializingConsumer", "Producer", "SerializingProducer"),
    },
    "faust": {"App"},
}
ALLOWED = {
    "streams/kafka/app.py": {"App"},
    "streams/kafka/security.py": CLIENTS["aiokafka"],
    "demo/clients.py": {"Consumer", "Producer"},
    "demo/broker.py": {"Producer"},  # in which the mock cluster lives: it connects to nothing else
}


def made(source: str) -> set[str]:
    """The clients that a module makes, or makes classes of; under whatever name it imports them."""
    every = set().union(*CLIENTS.values()) - {"App"}
    if not any(word in source for word in (*CLIENTS, *every)):
        return set()  # not parsed: what is found below has one of these words
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in CLIENTS:
            clients = CLIENTS[node.module.partition(".")[0]]
            names |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in clients}
    found = set()
    for node in ast.walk(tree):
        used = [node.func, *node.args] if isinstance(node, ast.Call) else node.bases if isinstance(node, ast.ClassDef) else []
        for one in used:
            if isinstance(one, ast.Name) and one.id in names:
                found.add(names[one.id])
            elif isinstance(one, ast.Attribute) and (one.attr in every or ast.unparse(one) == "faust.App"):
                found.add(one.attr)
    return found


@pytest.mark.parametrize(
    ("source", "clients"),
    [
        ("from aiokafka import AIOKafkaConsumer\nAIOKafkaConsumer()", {"AIOKafkaConsumer"}),
        ("from aiokafka import AIOKafkaConsumer\nconsumer: AIOKafkaConsumer", set()),
        ("def f():\n    from aiokafka.admin import AIOKafkaAdminClient as A\n    return A(x=1)", {"AIOKafkaAdminClient"}),
        ("import aiokafka.client as c\nc.AIOKafkaClient()", {"AIOKafkaClient"}),
        ("import functools, aiokafka\nfunctools.partial(aiokafka.AIOKafkaProducer, acks=1)", {"AIOKafkaProducer"}),
        ("from aiokafka import AIOKafkaProducer\nclass Mine(AIOKafkaProducer): ...", {"AIOKafkaProducer"}),
        ("from confluent_kafka import Producer\nProducer({})", {"Producer"}),
        ("from elsewhere import Producer\nProducer({})", set()),
        ("import faust\nclass Mine(faust.App): ...", {"App"}),
    ],
)
def test_a_client_is_seen_however_it_is_made(source: str, clients: set[str]) -> None:
    assert made(source) == clients


def test_no_client_is_made_elsewhere() -> None:
    elsewhere = {}
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if more := made(path.read_text(encoding="utf-8")) - ALLOWED.get(name, set()):
            elsewhere[name] = more
    assert elsewhere == {}, "make them by streams.kafka.security, confluent-kafka's by demo.clients"


def test_fausts_clients_are_given_the_same() -> None:
    from settings.settings import Settings
    from streams.kafka.app import make_app

    secured = Settings.model_validate(
        {
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_sasl_username": "me",
            "kafka_sasl_password": "a secret",
        }
    )
    app = make_app(secured)
    credentials = app.conf.broker_credentials
    assert credentials is not None
    assert credentials.protocol.value == "SASL_SSL"
    assert app.producer.credentials is credentials
    assert "a secret" not in repr(credentials)
