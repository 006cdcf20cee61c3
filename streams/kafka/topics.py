"""The topics a worker needs: which ones, with what configuration; created when missing, refused when they do not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from settings.settings import Settings
from streams.kafka import rights, security
from streams.kafka.outbox import MAX_RECORD_BYTES
from streams.kafka.rights import READ, WRITE, Operations
from streams.wire.results import MAX_EVENT_BYTES

_log = structlog.get_logger("topics")
_MOST_BYTES = "max.message.bytes"
_DAY_MS = 24 * 3600 * 1000
_WEEK_MS = 7 * _DAY_MS
_MIN_INSYNC = "min.insync.replicas"
_MAY_NOT_CREATE = (TopicAuthorizationFailedError.errno, ClusterAuthorizationFailedError.errno)
_REPLICAS_FOR_TWO = 3  # where both of two replicas are needed, one broker that is away stops every send


class UnfitTopics(Exception):
    """Topics exist that the worker cannot use; each line names one, what it has, what it needs, and the remedy."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the worker needs it. partitions None: any number (topics that others own)."""

    name: str
    partitions: int | None
    config: Mapping[str, str] = field(default_factory=dict)
    create_with: int = 1  # partitions, where partitions is None and the topic is missing
    operations: Operations = WRITE  # what the worker does there and cannot do without
    sent_bytes: int = 0  # the largest record that is sent there. The topic is somebody else's: taking less is only warned about


def needed(settings: Settings) -> tuple[Topic, ...]:
    """All topics of one deployment."""
    count = settings.partitions
    stamped = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"}
    large = {_MOST_BYTES: str(MAX_RECORD_BYTES)}
    retention_ms = str(int(settings.dedup_retention_s * 1000))
    changelog = {
        "cleanup.policy": "compact,delete",
        "delete.retention.ms": str(_WEEK_MS),
        **large,
    }
    kept = {name: {"retention.ms": retention_ms} for name in settings.changelog_topics}
    kept[settings.changelog_of("audits")] = {"retention.ms": str(settings.audit.keep_days * _DAY_MS)}
    dead = {"retention.ms": str(4 * _WEEK_MS), **large}
    safe = _kept_by_two(settings.replication_factor)
    asked = stamped | safe | {"retention.ms": str(int(settings.inbound_retention_s * 1000))}
    decided = stamped | safe | large | {"retention.ms": retention_ms}
    return (
        Topic(settings.request_topic, count, asked, operations=READ),
        Topic(settings.work_topic, count, decided, operations=READ | WRITE),
        *(Topic(name, count, changelog | kept[name] | safe, operations=READ | WRITE) for name in settings.changelog_topics),
        Topic(settings.dlq_topic(settings.request_topic), None, dead | safe, create_with=count),
        Topic(settings.dlq_topic(settings.work_topic), None, dead | safe, create_with=count),
        *(Topic(name, None, safe, create_with=count, sent_bytes=MAX_EVENT_BYTES) for name in settings.allowed_callback_topics),
    )


def _kept_by_two(replication_factor: int) -> dict[str, str]:
    """With three replicas or more: an acknowledged record is on two brokers. Kafka's own default is one."""
    return {_MIN_INSYNC: "2"} if replication_factor >= _REPLICAS_FOR_TWO else {}


# The configuration that an existing topic must have too, not only one that we create. Without it records are lost (a compacted
# request topic keeps one record a batch) or refused, and deadlines, claims and retention would count from any producer's clock.
_VERIFIED = frozenset({"cleanup.policy", _MOST_BYTES, "message.timestamp.type"})


async def prepare(settings: Settings) -> None:
    """Create what is missing, where the worker may, and verify the rest and its rights there.

    Raises rights.MissingRights and UnfitTopics: Faust would ignore a missing topic with a warning, mix partitions up where
    counts differ, and wait for ever for a group that it may not join.
    """
    await _prepare(settings, needed(settings), settings.app_id)


async def prepare_to_request(settings: Settings) -> None:
    """The same for a process that only sends requests: for the request topic, where it must be allowed to Write."""
    (topic,) = (topic for topic in needed(settings) if topic.name == settings.request_topic)
    await _prepare(settings, (replace(topic, operations=WRITE),), None)


async def _prepare(settings: Settings, wanted: tuple[Topic, ...], group: str | None) -> None:
    admin = security.admin(settings)
    client = security.client(settings)
    try:
        await admin.start()
        await client.bootstrap()
        seen = await rights.of_topics(client, [topic.name for topic in wanted])
        lines = rights.lacking(settings, {topic.name: topic.operations for topic in wanted}, seen)
        if group is not None:
            lines += rights.lacking_group(settings, group, await rights.of_group(client, group))
        if not lines and not await rights.may_be_idempotent(client):
            lines = [rights.lacking_idempotence(settings)]
        if lines:
            raise rights.MissingRights("\n".join(lines))
        await _create(admin, [topic for topic in wanted if not seen[topic.name].replicas], settings.replication_factor)
        existing = [(topic, seen[topic.name].replicas) for topic in wanted if seen[topic.name].replicas]
        await _verify(admin, existing, settings.replication_factor)
    finally:
        await client.close()
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
    codes = {name: (code, rest[0] if rest else "") for name, code, *rest in response.topic_errors}
    problems = []
    for topic in missing:
        code, said = codes[topic.name]
        if code in _MAY_NOT_CREATE:
            problems.append(
                f"topic {topic.name} is missing, and the worker is not authorized to Create it (on the cluster, or on this "
                f"topic): {_creating(topic, replication_factor)}"
            )
        elif code not in (0, TopicAlreadyExistsError.errno):  # another worker may create them at the same moment
            problems.append(f"topic {topic.name} cannot be created: Kafka's error {code} {said or ''}")
        else:
            _log.info("topic_created", topic=topic.name)
    if problems:
        raise UnfitTopics("\n".join(problems))


def _creating(topic: Topic, replication_factor: int) -> str:
    """The command that creates a topic as the worker would."""
    configs = "".join(f" --config {name}={value}" for name, value in topic.config.items())
    count = topic.partitions or topic.create_with
    return (
        f"kafka-topics.sh --create --topic {topic.name} --partitions {count} --replication-factor {replication_factor}{configs}"
    )


async def _verify(admin: AIOKafkaAdminClient, existing: list[tuple[Topic, tuple[int, ...]]], replication_factor: int) -> None:
    problems = []
    less_safe: dict[str, str] = {}
    configured = await _configurations(admin, [topic.name for topic, _ in existing if topic.config or topic.sent_bytes])
    for topic, replicas in existing:
        count = len(replicas)
        if topic.partitions is not None and count != topic.partitions:
            problems.append(
                f"topic {topic.name} has {count} partitions, ROUNDBATCH_PARTITIONS is {topic.partitions}: set it to {count}, "
                "or give the worker a topic (and ROUNDBATCH_APP_ID) of its own; the count cannot be changed later"
            )
        has = configured.get(topic.name)
        if has is not None:
            problems += _config_problems(topic, has)
            _warn_of_less(topic, has.get(_MOST_BYTES, ""))
        if less := _less_safe(topic, min(replicas), has or {}, replication_factor):
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
    if unread := {topic.name: _seen_to(topic) for topic, _ in existing if topic.config and configured[topic.name] is None}:
        _log.warning(
            "topics_not_verified",
            reason="not authorized to DescribeConfigs: the worker cannot see whether they are configured as it needs them",
            topics=unread,
            remedy="kafka-acls.sh --add --operation DescribeConfigs --topic …; or see to it that they have these settings",
        )


def _seen_to(topic: Topic) -> str:
    """The configuration that an operator must see to where we may not read it."""
    least = {name: value for name, value in topic.config.items() if name == _MIN_INSYNC}
    return ", ".join(f"{name}={value}" for name, value in (_verified(topic) | least).items())


def _verified(topic: Topic) -> dict[str, str]:
    return {name: value for name, value in topic.config.items() if name in _VERIFIED}


def _less_safe(topic: Topic, replicas: int, has: Mapping[str, str], replication_factor: int) -> str:
    """In which respect an existing topic keeps records less safely than one of ours; empty where it does not."""
    found = [] if replicas >= replication_factor else [f"replicas={replicas} of {replication_factor}"]
    needs, least = int(topic.config.get(_MIN_INSYNC, "0")), has.get(_MIN_INSYNC, "")
    if least.isdigit() and int(least) < needs:
        found.append(f"{_MIN_INSYNC}={least} of {needs}")
    return ", ".join(found)


def _warn_of_less(topic: Topic, takes: str) -> None:
    if takes.isdigit() and int(takes) < topic.sent_bytes:
        _log.warning(
            "topic_takes_less",
            topic=topic.name,
            takes_bytes=int(takes),
            largest_result_bytes=topic.sent_bytes,
            remedy=f"a result that it refuses becomes an error event; kafka-configs.sh --alter sets {_MOST_BYTES}",
        )


async def _configurations(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str] | None]:
    """The configuration of each topic; None where we may not look."""
    if not names:
        return {}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    found: dict[str, dict[str, str] | None] = {}
    for answer in answers:
        for code, said, _, name, entries in answer.resources:
            if code not in (0, TopicAuthorizationFailedError.errno):
                raise for_code(code)(f"configuration of topic {name}: {said}")
            found[name] = None if code else {entry[0]: entry[1] for entry in entries}
    return found


def _config_problems(topic: Topic, has: Mapping[str, str]) -> list[str]:
    problems = []
    for name, wanted in _verified(topic).items():
        found = has.get(name, "")
        fits = int(found or 0) >= int(wanted) if wanted.isdigit() else set(found.split(",")) == set(wanted.split(","))
        if not fits:
            problems.append(
                f"topic {topic.name} has {name}={found}, the worker needs {wanted}: kafka-configs.sh --alter "
                f"--entity-type topics --entity-name {topic.name} --add-config {name}=[{wanted}]"
            )
    return problems
