"""Request records as any producer may write them: compressed, empty, in transactions that end either way, or gone unread."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it does not say what it exports
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from settings.kafka import KafkaSettings
from settings.topics import TABLES
from streams.failstop import EXIT_CODE
from streams.kafka.log_ends import LogEnds
from streams.wire.request_events import round_event
from tests.brokers.topics import create_topics
from tests.harness.deployment import PARTITIONS, Deployment
from tests.harness.worker import WorkerProcess
from tests.waiting import LIMIT_S

CODECS = ("gzip", "snappy", "lz4", "zstd")
FOUR_MIB = str(4 * 1024 * 1024)


def producer(deployed: Deployment, **more: str) -> Producer:
    settings = {name.replace("_", "."): value for name, value in more.items()}
    return Producer({"bootstrap.servers": deployed.bootstrap, "log_level": 0, "linger.ms": 0, **settings})


def transactional(deployed: Deployment, name: str = "a") -> Producer:
    made = producer(deployed, transactional_id=f"{deployed.name}-{name}")
    made.init_transactions(30)
    return made


def send_round(deployed: Deployment, by: Producer, *, batch: str, counted: bool = True, partition: int = 0) -> None:
    """One round of two by a producer of the test's own; acknowledged."""
    bodies = [deployed.body("openai", batch=batch) for _ in range(2)]
    if counted:
        deployed.sent += [body["correlation_id"] for body in bodies]
    by.produce(deployed.request_topic, value=round_event(bodies), partition=partition)
    assert by.flush(30) == 0


async def look_behind_a_transaction(deployed: Deployment) -> None:
    """An earlier version of the worker may have read there: the check of a topic asks for such a record."""
    topic, ends = deployed.request_topic, LogEnds(KafkaSettings(kafka_bootstrap_servers=deployed.bootstrap))
    await ends.start()
    try:
        readable = (await ends.of([(topic, 0)]))[topic, 0][1]
        assert readable < await ends.written(topic, 0)
        async with asyncio.timeout(60):  # it took until the transaction ended, and every other partition waited too
            assert await ends.record(topic, 0, readable) is None
            assert await ends.record(topic, 0, readable - 1) is None  # a marker
            assert (await ends.record(topic, 0, 0)).offset == 0
    finally:
        await ends.stop()


def make_topics(deployed: Deployment, codec: str) -> None:
    """Own topics and changelogs on a cluster that compresses everything."""
    config = {"compression.type": codec, "max.message.bytes": FOUR_MIB}
    stamped = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"}
    changelogs = {f"{deployed.app_id}-{table}-changelog": PARTITIONS for table in TABLES}
    create_topics(deployed.bootstrap, {deployed.request_topic: 2, deployed.work_topic: 2}, config=config | stamped)
    create_topics(deployed.bootstrap, changelogs, config=config | {"cleanup.policy": "compact,delete"})


def compress_by(deployed: Deployment, codec: str) -> None:
    """From here on the broker keeps the own topics compressed by another codec."""
    admin = AdminClient({"bootstrap.servers": deployed.bootstrap, "log_level": 0})
    names = (deployed.request_topic, deployed.work_topic, f"{deployed.app_id}-requests-changelog")
    entry = ConfigEntry("compression.type", codec, incremental_operation=AlterConfigOpType.SET)
    wanted = [ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry]) for name in names]
    for done in admin.incremental_alter_configs(wanted).values():
        done.result(30)


def test_compressed_records_empty_ones_transactions_and_what_was_removed_unread(deployed: Deployment) -> None:
    make_topics(deployed, "zstd")
    first = deployed.worker()

    deployed.send_round([deployed.body("openai", batch="other partition")], partition=1)
    for codec in CODECS:
        compress_by(deployed, codec)
        send_round(deployed, producer(deployed, compression_type=codec), batch=codec)
    deployed.send_raw(None, partition=0)
    deployed.send_raw(None, key=b"k", partition=0)
    producer_of_nothing = producer(deployed)
    producer_of_nothing.produce(deployed.work_topic, value=None, key=None, partition=0)
    producer_of_nothing.produce(deployed.work_topic, value=None, key=b"k", partition=0)
    assert producer_of_nothing.flush(30) == 0

    aborted, open_one = transactional(deployed), transactional(deployed, "b")
    aborted.begin_transaction()
    send_round(deployed, aborted, batch="aborted", counted=False)
    aborted.abort_transaction(30)
    aborted.begin_transaction()
    send_round(deployed, aborted, batch="committed")
    aborted.commit_transaction(30)
    deployed.wait_answered()
    for topic in (deployed.request_topic, deployed.work_topic):
        letters = deployed.read(f"{topic}.DLQ")
        assert {letter.key: letter.value for letter in letters} == {None: b"", b"k": b""}
        assert len(letters) == 2

    # One is open at the end of the topic, and behind it a record of somebody else: neither is read.
    open_one.begin_transaction()
    send_round(deployed, open_one, batch="open", counted=False)
    held_back = deployed.body("openai", batch="behind")
    deployed.send_round([held_back], partition=0)
    deployed.until(lambda: open_transaction_s(first) > 0, "the open transaction is seen")
    # Markers are no lag, and what cannot be read yet is none either.
    deployed.until(lambda: first.metric("roundbatch_consumer_lag_records", topic="request") == 0, "there is no lag")
    assert held_back["correlation_id"] not in deployed.events_per_id()
    asyncio.run(look_behind_a_transaction(deployed))
    assert first.stop() == 0
    again = deployed.worker(
        state="b"
    )  # ready: restored from compressed changelogs, and an open transaction is no reason to wait
    assert held_back["correlation_id"] not in deployed.events_per_id()
    open_one.abort_transaction(30)
    deployed.wait_answered()

    deployed.check_promises()
    assert set(deployed.events_per_id().values()) == {1}
    assert len(deployed.simulator.items()) == len(deployed.sent)
    deployed.until(lambda: open_transaction_s(again) == 0, "no transaction is seen")
    assert again.stop() == 0


def open_transaction_s(worker: WorkerProcess) -> float:
    return worker.metric("roundbatch_open_transaction_seconds", topic="request")


def check_removed(worker: WorkerProcess, topic: str, *, records: int) -> None:
    assert worker.metric("roundbatch_records_removed_unread_total", topic="request") == records
    assert worker.metric("roundbatch_records_removed_unread_total", topic="work") == 0
    (told,) = [line for line in worker.log_path.read_text().splitlines() if "records_removed_unread" in line]
    assert "first_left" in told
    assert topic in told


def remove_before(deployed: Deployment, *, partition: int, offset: int) -> None:
    """As retention does: the records before this offset are gone."""
    admin = AdminClient({"bootstrap.servers": deployed.bootstrap, "log_level": 0})
    (done,) = admin.delete_records([TopicPartition(deployed.request_topic, partition, offset)]).values()
    done.result(30)


@pytest.fixture
def without_codecs(tmp_path: Path) -> str:
    """A folder for PYTHONPATH in which the library that decodes lz4, snappy and zstd cannot be imported."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "cramjam.py").write_text("raise ImportError('not installed')\n")
    return str(folder)


def test_a_record_that_cannot_be_decoded_is_named(deployed: Deployment, without_codecs: str) -> None:
    create_topics(deployed.bootstrap, {deployed.request_topic: PARTITIONS}, config={"message.timestamp.type": "LogAppendTime"})
    deployed.send_round([deployed.body("openai", batch="plain")], partition=0)
    send_round(deployed, producer(deployed, compression_type="lz4"), batch="packed")

    # Not forked from a process that has imported the library already.
    def cli(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **deployed.environment(PYTHONPATH=without_codecs, ROUNDBATCH_HEALTH_PORT="0")}
        return subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True, timeout=LIMIT_S, env=env)

    worker = cli("worker")
    assert worker.returncode == EXIT_CODE
    (stopped,) = [line for line in worker.stderr.splitlines() if '"fail_stop"' in line]
    assert json.loads(stopped)["topic"] == deployed.request_topic
    for words in ("partition", "offset", "cannot be decoded", "lz4"):
        assert words in stopped
    said = cli("explain", deployed.sent[-1])
    assert said.returncode == 1
    assert f"topic {deployed.request_topic}, partition 0, offset 1 cannot be decoded" in said.stderr
    assert "cannot be reached" not in said.stderr
