"""`roundbatch quality limit` and `acknowledge` on librdkafka's mock cluster: which records they send, and to whom."""

import json

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from streams.wire import work
from tests.harness.mock_cluster import make_topic, records

MODEL = "claude-haiku-5-5"  # the default of anthropic's


def run(*arguments: str, servers: str = "localhost:1", text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["quality", *arguments, "--bootstrap-servers", servers], input=text)


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (["limit", MODEL, "--most", "8"], work.BundlesLimited(provider="anthropic", model=MODEL, most=8, reason="bent")),
        (["limit", MODEL, "--lift"], work.BundlesLimited(provider="anthropic", model=MODEL, most=0, reason="bent")),
        (
            ["limit", "some/model", "--most", "1", "--provider", "openrouter"],
            work.BundlesLimited(provider="openrouter", model="some/model", most=1, reason="bent"),
        ),
        (["acknowledge", MODEL], work.JudgementAcknowledged(provider="anthropic", model=MODEL, reason="bent")),
    ],
)
def test_every_partition_is_told(mock_cluster: str, arguments: list[str], sent: work.WorkRecord) -> None:
    topic = f"told-{'-'.join(arguments)}".replace("/", "_")
    partitions = make_topic(mock_cluster, topic)
    told = run(*arguments, "--reason", "bent", "--yes", "--json", "--work-topic", topic, servers=mock_cluster)
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["partitions"] == partitions
    for partition in range(partitions):
        assert records(mock_cluster, topic, partition) == [sent]


def test_without_a_yes_nothing_is_sent(mock_cluster: str) -> None:
    make_topic(mock_cluster, "limit-asked")
    asked = run("limit", MODEL, "--most", "8", "--work-topic", "limit-asked", servers=mock_cluster, text="n\n")
    assert (asked.exit_code, records(mock_cluster, "limit-asked", 0)) == (1, [])
    assert f"anthropic {MODEL}: at most 8 comparisons in a line. Tell all workers?" in asked.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["limit", MODEL], "give either --most N, to limit, or --lift, to lift a limit"),
        (["limit", MODEL, "--most", "8", "--lift"], "give either --most N, to limit, or --lift, to lift a limit"),
        (["limit", MODEL, "--most", "0"], "greater than or equal to 1"),
        (["limit", "of-nobody", "--lift"], "name it with --provider"),
        (["limit", MODEL, "--lift", "--provider", "nobody"], "must be one of anthropic"),
        (["acknowledge", MODEL, "--json"], "give --yes too"),
    ],
)
def test_what_is_not_clear_is_refused(arguments: list[str], said: str) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert said in " ".join(refused.stderr.replace("│", " ").split())
