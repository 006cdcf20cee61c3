"""The topics a worker needs: which ones, with what configuration; created when missing, refused when they do not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError

from streams import kafka_security
from streams.outbox import MAX_RECORD_BYTES
from streams.settings import Settings

_log = structlog.get_logger("topics")
_WEEK_MS = 7 * 24 * 3600 * 1000
_MIN_INSYNC = "min.insync.replicas"
_REPLICAS_FOR_TWO = 3  # with two of two needed, one broker away would stop every send


class UnfitTopics(Exception):
    """Topics exist that the worker cannot use; each line names one, what it has, what it needs, and the remedy."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the worker needs it. partitions None: any number (topics that others own)."""

    name: str
    partitions: int | None
    config: Mapping[str, str] = field(default_factory=dict)
    create_with: int = 1  # partitions, where partitions is None and the topic is missing


def needed(settings: Settings) -> tuple[Topic, ...]:
    """All topics of one deployment."""
    count = settings.partitions
    stamped = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"}
    large = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    retention_ms = str(int(settings.dedup_retention_s * 1000))
    changelog = {
        "cleanup.policy": "compact,delete",
        "retention.ms": retention_ms,
        "delete.retention.ms": str(_WEEK_MS),
        **large,
    }
    dead = {"retention.ms": str(4 * _WEEK_MS), **large}
    safe = _kept_by_two(settings.replication_factor)
    return (
        Topic(settings.request_topic, count, stamped | safe | {"retention.ms": str(int(settings.inbound_retention_s * 1000))}),
        Topic(settings.work_topic, count, stamped | safe | large | {"retention.ms": retention_ms}),
        *(Topic(name, count, changelog | safe) for name in settings.changelog_topics),
        Topic(settings.dlq_topic(settings.request_topic), None, dead | safe, create_with=count),
        Topic(settings.dlq_topic(settings.work_topic), None, dead | safe, create_with=count),
        *(Topic(name, None, safe, create_with=count) for name in settings.allowed_callback_topics),
        # Faust elects a leader by who is assigned this one's partition; it must be there before the worker subscribes.
        Topic(f"{settings.app_id}-__assignor-__leader", 1),
    )


def _kept_by_two(replication_factor: int) -> dict[str, str]:
    """With three replicas or more an acknowledged record is on two brokers, whatever the cluster's own default: that is 1."""
    return {_MIN_INSYNC: "2"} if replication_factor >= _REPLICAS_FOR_TWO else {}


# What must be so in a topic that exists, and not only in one that we create: without it records are lost or refused (a
# compacted request topic keeps one record a batch), and deadlines, claims and retention count from any producer's clock.
_VERIFIED = frozenset({"cleanup.policy", "max.message.bytes", "message.timestamp.type"})


async def prepare(settings: Settings) -> None:
    """Create what is missing and verify the rest.

    Raises UnfitTopics: Faust would ignore a missing topic with a warning, and mix partitions up where counts differ.
    """
    admin = kafka_security.admin(settings)
    await admin.start()
    try:
        wanted = needed(settings)
        there = set(await admin.list_topics())
        await _create(admin, [topic for topic in wanted if topic.name not in there], settings.replication_factor)
        await _verify(admin, [topic for topic in wanted if topic.name in there], settings.replication_factor)
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, missing: list[Topic], replication_factor: int) -> None:
    if not missing:
        return
    response = await admin.create_topics(
        [
            NewTopic(topic.name, topic.partitions or topic.create_with, replication_factor, topic_configs=dict(topic.config))
            for topic in missing
        ]
    )
    for name, code, *rest in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):  # another worker may create them at the same moment
            raise UnfitTopics(f"topic {name} cannot be created: Kafka's error {code} {rest[0] if rest else ''}")
        _log.info("topic_created", topic=name)


async def _verify(admin: AIOKafkaAdminClient, existing: list[Topic], replication_factor: int) -> None:
    described = {item["topic"]: item for item in await admin.describe_topics([topic.name for topic in existing])}
    problems = []
    less_safe: dict[str, str] = {}
    for topic in existing:
        partitions = described[topic.name]["partitions"]
        count = len(partitions)
        if topic.partitions is not None and count != topic.partitions:
            problems.append(
                f"topic {topic.name} has {count} partitions, ROUNDBATCH_PARTITIONS is {topic.partitions}: set it to {count}, "
                "or give the worker a topic (and ROUNDBATCH_APP_ID) of its own; the count cannot be changed later"
            )
        has = await _configuration(admin, topic)
        problems += _config_problems(topic, has)
        replicas = min((len(partition["replicas"]) for partition in partitions), default=0)
        if less := _less_safe(topic, replicas, has, replication_factor):
            less_safe[topic.name] = less
    if problems:
        raise UnfitTopics("\n".join(problems))
    if less_safe:
        _log.warning(
            "topics_less_safe",
            topics=less_safe,
            remedy="a broker lost for good takes acknowledged records with it: kafka-reassign-partitions.sh adds replicas, "
            f"kafka-configs.sh --alter sets {_MIN_INSYNC}; or set ROUNDBATCH_REPLICATION_FACTOR to what is meant",
        )


def _less_safe(topic: Topic, replicas: int, has: Mapping[str, str], replication_factor: int) -> str:
    """In what an existing topic keeps records less safely than one that we would make; empty where it does not."""
    found = [] if replicas >= replication_factor else [f"replicas={replicas} of {replication_factor}"]
    needs, least = int(topic.config.get(_MIN_INSYNC, "0")), has.get(_MIN_INSYNC, "")
    if least.isdigit() and int(least) < needs:
        found.append(f"{_MIN_INSYNC}={least} of {needs}")
    return ", ".join(found)


async def _configuration(admin: AIOKafkaAdminClient, topic: Topic) -> dict[str, str]:
    if not topic.config:
        return {}
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name)])
    return {entry[0]: entry[1] for resource in answer.resources for entry in resource[4]}


def _config_problems(topic: Topic, has: Mapping[str, str]) -> list[str]:
    problems = []
    for name, wanted in topic.config.items():
        if name not in _VERIFIED:
            continue
        found = has.get(name, "")
        fits = int(found or 0) >= int(wanted) if wanted.isdigit() else set(found.split(",")) == set(wanted.split(","))
        if not fits:
            problems.append(
                f"topic {topic.name} has {name}={found}, the worker needs {wanted}: kafka-configs.sh --alter "
                f"--entity-type topics --entity-name {topic.name} --add-config {name}=[{wanted}]"
            )
    return problems
