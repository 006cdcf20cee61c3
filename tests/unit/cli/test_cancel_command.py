"""`roundbatch cancel` on librdkafka's mock cluster: which records it sends, and to whom."""

import json

from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from cli.cancel import request
from cli.main import app
from streams.wire import work
from tests.harness.mock_cluster import make_topic, records
from tests.waiting import LIMIT_S

BATCH_ID = "3F1F5C1E-8F57-4C38-9D8C-000000000001"


def run(*arguments: str, servers: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["cancel", *arguments, "--bootstrap-servers", servers], input=text)


def test_a_uuid_is_an_id_and_a_bos_batch_and_else_it_is_a_batch() -> None:
    assert request("138") == work.CancelRequested(batch="138")
    assert request(BATCH_ID) == work.CancelRequested(batch=BATCH_ID, ids=(BATCH_ID.lower(),))


def test_a_record_is_read_as_it_was_written() -> None:
    assert work.decode(work.encode(request(BATCH_ID))) == request(BATCH_ID)


def test_every_partition_is_told_of_every_target(mock_cluster: str) -> None:
    partitions = make_topic(mock_cluster, "told")
    told = run("138", BATCH_ID, "--yes", "--json", "--work-topic", "told", servers=mock_cluster)
    assert told.exit_code == 0
    assert json.loads(told.stdout) == {"targets": ["138", BATCH_ID], "work_topic": "told", "partitions": partitions}
    for partition in range(partitions):
        assert records(mock_cluster, "told", partition) == [request("138"), request(BATCH_ID)]


def test_without_a_yes_nothing_is_sent(mock_cluster: str) -> None:
    make_topic(mock_cluster, "asked")
    asked = run("138", "--work-topic", "asked", servers=mock_cluster, text="n\n")
    assert (asked.exit_code, records(mock_cluster, "asked", 0)) == (1, [])
    nobody = run("138", "--work-topic", "asked", servers=mock_cluster, text="")
    assert (nobody.exit_code, records(mock_cluster, "asked", 0)) == (1, [])
    assert nobody.stderr.endswith("not confirmed, nothing was done: give --yes where nobody can answer\n")
    assert run("138", "--json", "--work-topic", "asked", servers=mock_cluster).exit_code == 2


def test_a_missing_topic_is_not_made(mock_cluster: str) -> None:
    refused = run("138", "--yes", "--work-topic", "nobodys", servers=mock_cluster)
    assert refused.exit_code == 1
    assert "topic nobodys does not exist" in refused.stderr
    producer = Producer({"bootstrap.servers": mock_cluster, "log_level": 0})
    assert "nobodys" not in producer.list_topics(timeout=LIMIT_S).topics
