"""A Kafka with access control lists: the rights of docs/operations.md are enough, and each one that is missing is named."""

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cli.main import app
from settings.settings import Settings, load_settings
from simulator.control import SimulatorControl
from streams.kafka import topics
from streams.kafka.rights import MissingRights
from streams.kafka.topics import UnfitTopics
from streams.wire.request_events import round_event
from tests.brokers.secured import Right, SecuredKafka
from tests.harness import rights_table
from tests.harness.deployment import Deployment, deployment

PASSWORD = "of the worker"
MODEL = "claude-haiku-5-5"


@dataclass
class Restricted:
    """A deployment whose topics somebody else has made, and whose worker is a user with the rights of the table."""

    kafka: SecuredKafka
    deployed: Deployment
    user: str

    @property
    def settings(self) -> Settings:
        """As the worker reads them."""
        return load_settings(self.deployed.environment())

    def make_topics(self) -> None:
        """By the super user, as the worker would make them."""
        plain = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.plain,
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "",
        }
        credentials = {"KAFKA_SASL_USERNAME": "", "KAFKA_SASL_PASSWORD": "", "KAFKA_SSL_CA_FILE": ""}
        asyncio.run(topics.prepare(load_settings(self.deployed.environment(**plain, **credentials))))


@pytest.fixture
def restricted(secured_kafka: SecuredKafka, unique: str, tmp_path: Path, simulator: SimulatorControl) -> Iterator[Restricted]:
    """With all the rights of the worker's table, and no topic yet."""
    env = {
        "KAFKA_BOOTSTRAP_SERVERS": secured_kafka.sasl_ssl,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": unique,
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CA_FILE": str(secured_kafka.ca_file),
    }
    secured_kafka.add_user(unique, PASSWORD)
    with deployment(secured_kafka.plain, unique, tmp_path, simulator, **env) as deployed:
        made = Restricted(secured_kafka, deployed, unique)
        secured_kafka.allow(unique, rights_table.of_worker(made.settings))
        yield made
    secured_kafka.revoke(unique)


def test_rounds_in_and_results_out_with_the_documented_rights_and_no_more(restricted: Restricted) -> None:
    deployed = restricted.deployed
    restricted.make_topics()
    worker = deployed.worker()
    deployed.send_round([deployed.body() for _ in range(3)])
    deployed.send_raw(b"no request", key=b"1")
    deployed.wait_answered()
    assert "topics_not_verified" not in deployed.logs()

    # Withdrawn from the running worker: it stops when it may not send the result, and the next start says why.
    lost = [("topic", deployed.result_topic, "write"), ("group", deployed.app_id, "read")]
    restricted.kafka.revoke(restricted.user, lost[:1])
    deployed.send_round([deployed.body("openai") for _ in range(3)])
    assert worker.wait_exit() == 70, worker.tail()
    restricted.kafka.revoke(restricted.user, lost[1:])
    refused = deployed.worker(ready=False)
    assert refused.wait_exit() == 78
    assert refused.tail().splitlines()[-2:] == [_line(*right, restricted.user) for right in lost]

    # With a state directory of its own: the tables come from their changelogs.
    restricted.kafka.allow(restricted.user, lost)
    deployed.forget_ended()
    worker = deployed.worker("b")
    deployed.wait_answered()
    deployed.check_promises()
    assert [record.value for record in deployed.dead_letters()] == [b"no request"]
    assert worker.stop() == 0


def _line(kind: str, name: str, operation: str, user: str) -> str:
    word = {"read": "Read", "write": "Write"}[operation]
    return (
        f"{kind} {name}: not authorized to {word}: kafka-acls.sh --add --allow-principal User:{user} "
        f"--operation {word} --{kind} {name}"
    )


def test_each_right_that_is_missing_is_named_with_its_resource(restricted: Restricted) -> None:
    restricted.make_topics()
    settings, user, kafka = restricted.settings, restricted.user, restricted.kafka
    table = rights_table.of_worker(settings)
    assert len(table) == len(set(table)) == 27
    looked_at = {topic.name for topic in topics.needed(settings) if topic.config}
    for right in table:
        kind, name, operation = right
        kafka.revoke(user, [right])
        with capture_logs() as logged:
            if operation == "describe_configs":
                asyncio.run(topics.prepare(settings))
            else:
                with pytest.raises(MissingRights, match=f"^{re.escape(_line(kind, name, operation, user))}$"):
                    asyncio.run(topics.prepare(settings))
        kafka.allow(user, [right])
        unseen = [event for event in logged if event["event"] == "topics_not_verified"]
        if operation == "describe_configs" and name in looked_at:
            assert [set(event["topics"]) for event in unseen] == [{name}], logged
            assert "DescribeConfigs" in unseen[0]["reason"]
        else:
            assert not unseen
    with capture_logs() as logged:
        asyncio.run(topics.prepare(settings))
    assert not logged


def test_missing_topics_are_made_with_the_right_to_and_else_told_with_the_command(restricted: Restricted) -> None:
    settings, kafka = restricted.settings, restricted.kafka
    names = [topic.name for topic in topics.needed(settings)]
    with pytest.raises(UnfitTopics) as refused:
        asyncio.run(topics.prepare(settings))
    lines = str(refused.value).splitlines()
    assert len(lines) == len(names) == 10
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"topic {name} is missing, and the worker is not authorized to Create it")
        assert f"kafka-topics.sh --create --topic {name} --partitions 2 --replication-factor 1" in line
    assert "--config cleanup.policy=compact,delete" in lines[2]

    kafka.allow(restricted.user, [("topic", name, "create") for name in names])
    asyncio.run(topics.prepare(settings))
    kafka.revoke(restricted.user, [("topic", name, "create") for name in names])
    asyncio.run(topics.prepare(settings))


def test_each_command_needs_the_documented_rights_and_names_each(restricted: Restricted) -> None:
    restricted.make_topics()
    deployed, kafka = restricted.deployed, restricted.kafka
    letter = round_event([deployed.body()])
    headers: list[tuple[str, bytes]] = [("reason", b"callback_topic_not_allowed"), ("answered", b"false")]
    producer = Producer({"bootstrap.servers": kafka.plain})
    producer.produce(f"{deployed.request_topic}.DLQ", letter, headers=headers)
    assert not producer.flush(30)
    unknown = str(uuid.uuid4())
    commands: dict[str, tuple[list[str], int]] = {
        "submit": (["submit", "-"], 0),
        "results": (["results"], 0),
        "cancel": (["cancel", "--yes", "138"], 0),
        "quality limit": (["quality", "limit", MODEL, "--most", "8", "--yes"], 0),
        "quality acknowledge": (["quality", "acknowledge", MODEL, "--yes"], 0),
        "quality": (["quality"], 4),  # nothing is known yet
        "explain ID": (["explain", unknown], 1),  # nobody sent it
        "quality --batch ID": (["quality", "--batch", unknown], 1),  # nor asked anything of it
        "dead-letters": (["dead-letters"], 0),
        "dead-letters --work": (["dead-letters", "--work"], 0),
        "dead-letters --replay": (["dead-letters", "--replay", "--unanswered", "--yes"], 0),
    }
    table = rights_table.of_commands(restricted.settings)
    assert commands.keys() == table.keys()
    operator = f"{restricted.user}-operator"
    kafka.add_user(operator, PASSWORD)
    runner = CliRunner(env=deployed.environment(KAFKA_SASL_USERNAME=operator))
    for name, (arguments, code) in commands.items():
        given: set[Right] = set()
        while True:
            done = runner.invoke(app, arguments, input=json.dumps(deployed.body()) + "\n")
            if done.exit_code != 78:
                break
            asked = {right for right in table[name] - given if _line(*right, operator) in done.stderr.splitlines()}
            assert len(asked) == len(done.stderr.splitlines()) > 0, done.stderr
            kafka.allow(operator, asked)
            given |= asked
        assert done.exit_code == code, done.output
        assert given == table[name]
        kafka.revoke(operator)
