"""A gateway on a real Kafka: what is posted is in the request topic, in the partition where `roundbatch submit` puts it."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from cli.main import app
from streams.wire.requests import read_record
from streams.wire.results import request_id
from tests.brokers.topics import create_topics
from tests.harness import door_cases
from tests.harness.deployment import Deployment
from tests.harness.gateway import Answer, GatewayProcess, ask, post
from tests.harness.kafka_reads import read_topic

PARTITIONS = 5


@pytest.fixture(scope="module")
def name() -> str:
    return f"t-gateway-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def environment(kafka: str, name: str) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "ROUNDBATCH_REQUEST_TOPIC": f"{name}.requested",
        "ROUNDBATCH_PARTITIONS": str(PARTITIONS),
        "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": ",".join(door_cases.ALLOWED),
    }


@pytest.fixture(scope="module")
def gateway(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One for all tests here; it makes its topic."""
    process = GatewayProcess(environment, tmp_path_factory.mktemp("gateway") / "gateway.log").wait_ready()
    yield process
    process.close()


def test_every_body_is_answered_as_it_is_read(gateway: GatewayProcess, kafka: str, name: str) -> None:
    topic = f"{name}.requested"
    found = {id(case): post(gateway.port, case.body) for case in door_cases.CASES}
    answers: list[tuple[door_cases.Case, Answer]] = [(case, found[id(case)]) for case in door_cases.CASES]
    assert [(case.name, answer.status) for case, answer in answers] == [(case.name, case.status) for case, _ in answers]
    for case, answer in answers:
        assert answer.headers["content-type"] == "application/json"
        if case.status == 202:
            assert answer.told.keys() == {"queue_id", "status", "message", "estimated_wait_minutes"}
            assert (answer.told["status"], answer.told["estimated_wait_minutes"]) == ("queued", None)
        else:
            assert answer.told["error"].startswith(case.error)
    told = {answer.told["queue_id"] for case, answer in answers if case.status == 202}
    sent = [read_record(record.value).members[0] for record in read_topic(kafka, topic)]
    assert len(sent) == len(told) == sum(case.status == 202 for case in door_cases.CASES)
    assert {request_id(str(member.correlation_id)) for member in sent} == told
    # No prompt is in a log.
    assert "Essay" not in gateway.log_path.read_text()


def test_a_batch_goes_into_the_partition_of_submit_and_of_kafkas_own_partitioner(
    gateway: GatewayProcess, environment: dict[str, str], kafka: str, name: str, tmp_path: Path
) -> None:
    bodies = [
        *(door_cases.body(metadata={"cj_batch_id": f"batch-{number}"}) for number in range(20)),
        door_cases.body(metadata={"cj_batch_id": 138, "bos_batch_id": "not this"}),
        door_cases.body(metadata={"cj_batch_id": "", "bos_batch_id": "the other"}),
        door_cases.body(metadata={"cj_batch_id": None}),
        door_cases.body(metadata={"cj_batch_id": "smörgås"}),
    ]
    topic, submitted, plain = f"{name}.requested", f"{name}.submitted", f"{name}.plain"
    create_topics(kafka, {submitted: PARTITIONS, plain: PARTITIONS})
    known = len(read_topic(kafka, topic))
    for body in bodies:
        assert post(gateway.port, body).status == 202
    lines = "".join(json.dumps(body) + "\n" for body in bodies)
    done = CliRunner(env=environment).invoke(app, ["submit", "-", "--topic", submitted], input=lines)
    assert done.exit_code == 0, done.output
    records = read_topic(kafka, topic)
    assert len(records) == known + len(bodies)
    ids = {body["correlation_id"] for body in bodies}
    placed = {(record.key, record.partition) for record in records if record.json["correlation_id"] in ids}
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
    for key, _ in placed:
        producer.produce(plain, key=key, value=b"")
    assert not producer.flush(30)
    assert placed == {(record.key, record.partition) for record in read_topic(kafka, submitted)}
    assert placed == {(record.key, record.partition) for record in read_topic(kafka, plain)}
    assert len({partition for _, partition in placed}) == PARTITIONS


def test_other_paths(gateway: GatewayProcess) -> None:
    health = ask(gateway.port, "GET", "/healthz")
    assert (health.status, health.told["status"]) == (200, "healthy")
    assert health.told.keys() == {"service", "status", "message", "version", "checks", "dependencies", "environment"}
    assert ask(gateway.port, "GET", "/readyz").told == {"ready": True}
    assert ask(gateway.port, "GET", "/metrics").told.startswith("# HELP roundbatch_gateway_posts_total ")
    assert ask(gateway.port, "GET", "/api/v1/providers").status == 200
    models = ask(gateway.port, "GET", "/api/v1/models?provider=openai")
    assert (models.status, list(models.told["providers"])) == (200, ["openai"])
    assert len(ask(gateway.port, "GET", "/api/v1/models").told["providers"]) == 5
    for method, path, status in (
        ("GET", "/api/v1/models?provider=acme", 400),
        ("GET", f"/api/v1/status/{uuid.uuid4()}", 404),
        ("GET", f"/api/v1/results/{uuid.uuid4()}", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/comparison", 405),
    ):
        refused = ask(gateway.port, method, path)
        assert (refused.status, list(refused.told)) == (status, ["error"])


def test_a_post_is_answered_by_an_event_whose_request_id_is_the_queue_id(deployed: Deployment, tmp_path: Path) -> None:
    """The gateway first: it makes the request topic as the worker needs it."""
    gateway = GatewayProcess(deployed.environment(), tmp_path / "gateway.log").wait_ready()
    worker = deployed.worker()
    bodies = [deployed.body(provider, size=4) for provider in ("anthropic", "openai") for _ in range(2)]
    deployed.sent += [body["correlation_id"] for body in bodies]
    answers = [post(gateway.port, body) for body in [*bodies, bodies[0]]]  # the last one is a repetition
    assert [answer.status for answer in answers] == [202] * 5
    assert answers[4].told["queue_id"] == answers[0].told["queue_id"]

    events = deployed.wait_answered()

    assert [events[body["correlation_id"]]["data"]["request_id"] for body in bodies] == [
        answer.told["queue_id"] for answer in answers[:4]
    ]
    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}
    assert worker.metric("roundbatch_duplicates_total") == 1
    assert worker.metric("roundbatch_dead_letters_total") == 0
    assert (gateway.stop(), worker.stop()) == (0, 0)
