"""Three brokers that come and go under one worker: each request is answered once, and the worker stays the same process.

The tests run in this order on one cluster and one worker; each begins with all brokers there and nothing under way, also after
one that has failed.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any

import pytest
from confluent_kafka import ElectionType
from confluent_kafka.cimpl import NewTopic

from settings.kafka import KafkaSettings
from streams import failstop
from streams.kafka.outbox import Outbox
from tests.brokers.cluster import REPLICAS, Cluster, running_cluster
from tests.chaos.checks import a_round
from tests.harness.deployment import Deployment, deployment
from tests.harness.forked import forked_simulator
from tests.waiting import LIMIT_S, until

WAYS = [(provider, mode) for provider in ("anthropic", "openai") for mode in ("provider_batch_api", "per_request")]
ROUND = 4
PAUSE_S = 0.3  # between two rounds: the load, not a wait
TOO_FEW_S = 20.0  # how long that fault lasts
SETTINGS = {
    "ROUNDBATCH_REPLICATION_FACTOR": str(REPLICAS),
    # A broker that is killed is given up after 3 s. Claims of 3 s ran out meanwhile, each with a line, on a machine of load 18.
    "ROUNDBATCH_TESTING__START_WITHIN_S": "60",
}
LINES_A_CHANGE = 6  # at most, when a broker goes or comes; without log_repeats two brokers away gave 200 a second


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as started:
        yield started


@pytest.fixture
def life(cluster: Cluster, one_life: Deployment) -> Deployment:
    """The shared deployment, settled: what the test before has left under way is answered before this one counts anything."""
    cluster.settle()
    one_life.simulator.release()
    one_life.wait_answered()
    return one_life


@pytest.fixture(scope="module")
def one_life(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment with one worker, whose topics have three replicas, but one that somebody else has made."""
    folder = tmp_path_factory.mktemp("brokers")
    with (
        forked_simulator(batch_duration_s=0.3, judge_error_rate=0.0, ledger=folder / "ledger.sqlite") as simulator,
        deployment(cluster.bootstrap, "t-brokers", folder, simulator, **SETTINGS) as made,
    ):
        make(cluster, NewTopic(f"{made.request_topic}.DLQ", 1, 2, config={"min.insync.replicas": "1"}))
        made.worker()
        cluster.wait_in_sync()
        yield made


def make(cluster: Cluster, *topics: NewTopic) -> None:
    for created in cluster.admin.create_topics(list(topics)).values():
        created.result(LIMIT_S)


@contextlib.contextmanager
def rounds_under_way(life: Deployment) -> Iterator[None]:
    """Send round after round, of both providers, as batches and as calls, for as long as the body lasts."""
    over = threading.Event()

    def send() -> None:
        for number, (provider, mode) in enumerate(cycle(WAYS)):
            life.send_round(a_round(life, provider, f"under-way-{number}", size=ROUND, mode=mode), partition=number % 2)
            if over.wait(PAUSE_S):
                return

    began = len(life.sent)
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(send)
        try:
            enough = began + 2 * ROUND * len(WAYS)
            until(lambda: len(life.sent) >= enough or sending.done(), "rounds are under way")
            yield
        finally:
            over.set()
        sending.result()


@contextlib.contextmanager
def holding(life: Deployment) -> Iterator[list[dict[str, Any]]]:
    """What must hold while brokers go and come: all answered, none twice, the same process.

    Afterwards gives the loud lines, without those of timers that came late: these tell of a slow machine, and not of Kafka.
    """
    before, loud = len(lines(life)), list[dict[str, Any]]()
    yield loud
    life.wait_answered()
    life.check_promises()
    assert [one.process.poll() for one in life.workers] == [None]
    since = (line for line in lines(life)[before:] if line.get("logger") != "mode.timers")
    loud += [line for line in since if line["level"] not in ("debug", "info")]


def lines(life: Deployment) -> list[dict[str, Any]]:
    """The worker's log lines so far."""
    text = life.workers[0].log_path.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines() if line.startswith("{")]


def test_topics_have_three_replicas_of_which_two_acknowledge(cluster: Cluster, life: Deployment) -> None:
    kept = cluster.kept_by(life.name)
    made_before = f"{life.request_topic}.DLQ"
    assert kept.pop(made_before) == (2, 1)
    assert set(kept.values()) == {(REPLICAS, 2)}
    (warning,) = [line for line in lines(life) if line["event"] == "topics_less_safe"]
    assert warning["topics"] == {made_before: "replicas=2 of 3, min.insync.replicas=1 of 2"}


def test_a_broker_is_killed_and_comes_back(cluster: Cluster, life: Deployment) -> None:
    with holding(life) as loud, rounds_under_way(life):
        cluster.brokers[2].kill()
        until(lambda: 2 not in cluster.listed(), "broker 2 is given up")
        cluster.brokers[2].start()
        cluster.wait_in_sync()
    assert len(loud) <= 2 * LINES_A_CHANGE, json.dumps(loud, indent=1)


def test_all_brokers_are_restarted_in_turn(cluster: Cluster, life: Deployment) -> None:
    with holding(life) as loud, rounds_under_way(life):
        for broker in cluster.brokers.values():
            broker.stop()
            broker.start()
            cluster.wait_in_sync()
    assert len(loud) <= 6 * LINES_A_CHANGE, json.dumps(loud, indent=1)


def test_leaders_are_moved(cluster: Cluster, life: Deployment) -> None:
    """After the restarts the leaders are not those that the topics were made with; an election gives them back."""
    topics = (life.request_topic, life.work_topic, life.result_topic, f"{life.app_id}-jobs-changelog")
    led = [cluster.leaders(topic) for topic in topics]
    with holding(life) as loud, rounds_under_way(life):
        cluster.admin.elect_leaders(ElectionType.PREFERRED).result(LIMIT_S)
        until(lambda: [cluster.leaders(topic) for topic in topics] != led, "leaders have moved")
    assert len(loud) <= 3 * LINES_A_CHANGE, json.dumps(loud, indent=1)


def test_too_few_replicas_for_twenty_seconds(cluster: Cluster, life: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three brokers are away while batches end and calls are answered: what is paid for waits in memory.

    For longer than one request may take, too: a second outbox, whose requests may take 2 s, stands for a worker whose Kafka is
    away for minutes.
    """
    stopped: list[object] = []
    monkeypatch.setattr(failstop, "stop", lambda where, error, at=None: stopped.append((where, error)))
    # One partition of which the broker that stays knows; one that has no leader without broker 3.
    make(cluster, NewTopic("t-patience", 1, REPLICAS), NewTopic("t-alone", 1, replica_assignment=[[3]], config=ONE))
    with holding(life) as loud:
        made = len(life.simulator.batches())
        life.simulator.hold()
        for number, (provider, mode) in enumerate(WAYS):
            life.send_round(a_round(life, provider, f"held-{number}", size=ROUND, mode=mode), partition=number % 2)
        life.until(lambda: len(life.simulator.batches()) == made + 2, "batches are submitted")
        with ThreadPoolExecutor(1) as thread:
            began = threading.Event()
            go_on = threading.Event()
            patient = thread.submit(asyncio.run, send_patiently(cluster.bootstrap, began, go_on))
            assert began.wait(LIMIT_S)
            for number in (2, 3):
                cluster.brokers[number].kill()
            until(lambda: cluster.listed() == {1}, "brokers 2 and 3 are given up")
            go_on.set()
            life.simulator.release()
            life.until(lambda: "NotEnoughReplicasError" in life.workers[0].log_path.read_text(), "Kafka refuses")
            time.sleep(TOO_FEW_S)  # the fault, not a wait for anything
            assert not patient.done()
            for number in (2, 3):
                cluster.brokers[number].start()
            acknowledged = patient.result(LIMIT_S)
        cluster.wait_in_sync()
    assert stopped == []
    assert acknowledged == [1, *range(PATIENT)]
    assert [record.value[:4] for record in life.read("t-patience")] == [b"%04d" % number for number in range(PATIENT)]
    assert [record.value for record in life.read("t-alone")] == [b"0000", b"0001"]
    assert life.workers[0].stop() == 0
    assert len(loud) <= 4 * LINES_A_CHANGE, json.dumps(loud, indent=1)


ONE = {"min.insync.replicas": "1"}
PATIENT = 40  # records of 16 KiB: more than the 256 KiB that the producer takes of one partition


async def send_patiently(bootstrap: str, began: threading.Event, go_on: threading.Event) -> list[int]:
    """Send one record to each topic, and when told another and many; the offsets at which Kafka has these."""
    outbox = Outbox(KafkaSettings(kafka_bootstrap_servers=bootstrap), linger_ms=5, request_timeout_ms=2_000)
    await outbox.start()
    # A worker that has worked knows its topics.
    sent = [outbox.send(topic, b"0000", partition=0) for topic in ("t-alone", "t-patience")]
    await asyncio.gather(*sent)
    began.set()
    await asyncio.to_thread(go_on.wait)
    sent[0] = outbox.send("t-alone", b"0001", partition=0)
    sent += [outbox.send("t-patience", b"%04d" % number + bytes(16_384), partition=0) for number in range(1, PATIENT)]
    found = [record.offset for record in await asyncio.gather(*sent)]
    await outbox.stop()
    return found
