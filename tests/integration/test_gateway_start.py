"""A gateway's start tells what is wrong as a worker's does, and its stop ends with 0."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.ports import free_ports
from tests.brokers.secured import Right, SecuredKafka
from tests.brokers.topics import create_topics
from tests.harness import door_cases
from tests.harness.gateway import GatewayProcess, post

PASSWORD = "of the gateway"


@pytest.fixture
def environment(secured_kafka: SecuredKafka, unique: str) -> Iterator[dict[str, str]]:
    """Of a user with the rights that docs/operations.md names, and no other."""
    secured_kafka.add_user(unique, PASSWORD)
    secured_kafka.allow(unique, rights(unique))
    yield {
        "KAFKA_BOOTSTRAP_SERVERS": secured_kafka.sasl_ssl,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": unique,
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CA_FILE": str(secured_kafka.ca_file),
        "ROUNDBATCH_REQUEST_TOPIC": unique,
        "ROUNDBATCH_PARTITIONS": "2",
        "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": door_cases.TOPIC,
    }
    secured_kafka.revoke(unique)


def rights(topic: str) -> list[Right]:
    return [("topic", topic, "write"), ("topic", topic, "describe_configs")]


def refused(environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """The exit code of a start, and its last line."""
    process = GatewayProcess(environment, folder / "refused.log")
    code = process.wait_exit()
    assert "Traceback" not in process.tail()
    return code, process.tail().splitlines()[-1]


def test_posts_are_taken_with_the_documented_rights_and_each_that_is_missing_is_named(
    environment: dict[str, str], secured_kafka: SecuredKafka, unique: str, tmp_path: Path
) -> None:
    code, said = refused(environment, tmp_path)
    assert code == 78
    assert said.startswith(f"topic {unique} is missing, and the worker is not authorized to Create it")
    assert f"kafka-topics.sh --create --topic {unique} --partitions 2" in said
    create_topics(secured_kafka.plain, {unique: 2}, config={"message.timestamp.type": "LogAppendTime"})

    process = GatewayProcess(environment, tmp_path / "gateway.log").wait_ready()
    assert post(process.port, door_cases.body()).status == 202
    assert process.stop() == 0

    secured_kafka.revoke(unique, rights(unique)[:1])
    said_of_write = (
        f"topic {unique}: not authorized to Write: kafka-acls.sh --add --allow-principal User:{unique} --operation Write "
        f"--topic {unique}"
    )
    assert refused(environment, tmp_path) == (78, said_of_write)
    secured_kafka.allow(unique, rights(unique)[:1])
    code, said = refused({**environment, "KAFKA_SASL_PASSWORD": "another"}, tmp_path)
    assert (code, f"does not let in user {unique!r}" in said) == (78, True)


def test_a_right_that_is_withdrawn_holds_posts_until_it_is_back(
    environment: dict[str, str], secured_kafka: SecuredKafka, unique: str, tmp_path: Path
) -> None:
    """The process goes on: a restart would cut off what it holds."""
    create_topics(secured_kafka.plain, {unique: 2}, config={"message.timestamp.type": "LogAppendTime"})
    process = GatewayProcess(environment | {"ROUNDBATCH_GATEWAY__HOLD_S": "2"}, tmp_path / "gateway.log").wait_ready()
    secured_kafka.revoke(unique, rights(unique)[:1])
    answer = post(process.port, door_cases.body())
    assert (answer.status, answer.told["error"]) == (503, "The comparison could not be queued")
    secured_kafka.allow(unique, rights(unique)[:1])
    while (answer := post(process.port, door_cases.body())).status == 503:
        assert process.process.poll() is None
    assert answer.status == 202
    assert process.stop() == 0


def test_no_kafka_is_69_and_a_port_that_is_taken_78(kafka: str, unique: str, tmp_path: Path) -> None:
    code, said = refused({"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_ports(1)[0]}"}, tmp_path)
    assert (code, said.startswith("no Kafka answers: ")) == (69, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = GatewayProcess(
            {"KAFKA_BOOTSTRAP_SERVERS": kafka, "ROUNDBATCH_REQUEST_TOPIC": unique}, tmp_path / "taken.log", port
        )
        assert process.wait_exit() == 78
    assert process.tail().splitlines()[-1].startswith(f"the gateway cannot listen on 127.0.0.1:{port} (")


def test_a_topic_that_takes_less_than_a_post_refuses_it_alone(kafka: str, unique: str, tmp_path: Path) -> None:
    config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "100000"}
    create_topics(kafka, {unique: 1}, config=config)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "ROUNDBATCH_REQUEST_TOPIC": unique,
        "ROUNDBATCH_PARTITIONS": "1",
        "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": door_cases.TOPIC,
    }
    process = GatewayProcess(environment, tmp_path / "gateway.log").wait_ready()
    large = door_cases.body(user_prompt="x" * 300_000)
    for _ in range(2):
        answer = post(process.port, large)
        assert (answer.status, "max.message.bytes" in answer.told["details"]) == (413, True)
        assert post(process.port, door_cases.body()).status == 202
    assert process.stop() == 0
