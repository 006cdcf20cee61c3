"""What Kafka lets this worker do, asked at start: a missing right is found then, and not when a result is to be sent.

aiokafka has no requests that ask for rights, so the two that do are described here as it describes its own. A Kafka that does
not know them (before 2.3, and some that only speak its protocol) tells nothing: there a missing right shows when it is used.
"""

import asyncio
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import errors
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from settings.kafka import KafkaSettings
from streams.kafka import security

_TEXT = String("utf-8")
_LOOK_S = 0.2
_NOT_TOLD = -(2**31)
_COORDINATOR_COMES = frozenset(
    error.errno
    for error in (errors.GroupCoordinatorNotAvailableError, errors.GroupLoadInProgressError, errors.NotCoordinatorForGroupError)
)


class Operation(enum.IntEnum):
    """Operations by Kafka's own numbers; Read and Write bring Describe with them."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10

    @property
    def word(self) -> str:
        """As kafka-acls.sh takes it: `DescribeConfigs`."""
        return self.name.title().replace("_", "")


Operations = frozenset[Operation]
NONE: Operations = frozenset()
READ, WRITE = frozenset({Operation.READ}), frozenset({Operation.WRITE})


class MissingRights(Exception):
    """Kafka does not let the worker do what it must. A line for each resource: the missing operations, and the remedy."""


class _Metadata8(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 3, 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT))),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("authorized_operations", Int32),
    )


class _MetadataRequest8(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION, RESPONSE_TYPE = 3, 8, _Metadata8
    SCHEMA = Schema(("topics", Array(_TEXT)), ("allow_creation", Boolean), ("of_cluster", Boolean), ("of_topics", Boolean))


class _TopicsRequest(Request[MetadataRequest_v5 | _MetadataRequest8]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def build(self, version: Any) -> Any:
        more = (False, True) if version is _MetadataRequest8 else ()
        return version(self._names, False, *more)


class _Groups3(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 15, 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", _TEXT),
                ("state", _TEXT),
                ("protocol_type", _TEXT),
                ("protocol", _TEXT),
                (
                    "members",
                    Array(
                        ("member_id", _TEXT),
                        ("client_id", _TEXT),
                        ("client_host", _TEXT),
                        ("metadata", Bytes),
                        ("assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _GroupsRequest3(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION, RESPONSE_TYPE = 15, 3, _Groups3
    SCHEMA = Schema(("groups", Array(_TEXT)), ("of_groups", Boolean))


class _GroupsRequest(Request[_GroupsRequest3]):  # type: ignore[misc]
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, version: Any) -> Any:
        return version([self._group], True)


@dataclass(frozen=True, slots=True)
class Seen:
    """A topic as Kafka shows it to this worker. allowed None: Kafka does not tell."""

    replicas: tuple[int, ...]  # how many each partition has; empty: there is no such topic, or it is hidden from us
    allowed: Operations | None


async def of_topics(client: AIOKafkaClient, names: Iterable[str]) -> dict[str, Seen]:
    """Which of these topics exist, and what we may do there. One that we may not even see looks like one without any rights."""
    request = _TopicsRequest(sorted(set(names)))
    found: dict[str, Seen] = {}
    for topic in (await client.send(client.get_random_node(), request)).to_object()["topics"]:
        hidden = topic["error_code"] == errors.TopicAuthorizationFailedError.errno
        allowed = NONE if hidden else _operations(topic.get("authorized_operations", _NOT_TOLD))
        found[topic["topic"]] = Seen(tuple(len(one["replicas"]) for one in topic["partitions"]), allowed)
    return found


async def of_group(client: AIOKafkaClient, group: str) -> Operations | None:
    """What we may do in a consumer group; None where Kafka does not tell. Waits for the group's broker."""
    while True:
        found = await client.send(client.get_random_node(), FindCoordinatorRequest(group, 0))
        code, at = found.error_code, found.coordinator_id
        if not code:
            try:
                described = (await client.send(at, _GroupsRequest(group))).to_object()["groups"][0]
            except NotImplementedError:  # aiokafka's word for a version that the broker does not know
                return None
            code = described["error_code"]
            if not code:
                return _operations(described["authorized_operations"])
        if code == errors.GroupAuthorizationFailedError.errno:
            return NONE
        if code not in _COORDINATOR_COMES:
            raise errors.for_code(code)(f"group {group}")
        await asyncio.sleep(_LOOK_S)
        await client.force_metadata_update()


async def may_be_idempotent(client: AIOKafkaClient) -> bool:
    """Whether our producer gets its id: that takes Write on any topic, before Kafka 2.8 IdempotentWrite on the cluster."""
    answer = await client.send(client.get_random_node(), InitProducerIdRequest(None, 60_000))
    return bool(answer.error_code != errors.ClusterAuthorizationFailedError.errno)


async def partitions(kafka: KafkaSettings, needs: Mapping[str, Operations]) -> dict[str, int]:
    """The number of partitions of each of these topics that exists. Looking creates none. Raises MissingRights."""
    client = security.client(kafka)
    try:
        await client.bootstrap()
        seen = await of_topics(client, needs)
    finally:
        await client.close()
    if lines := lacking(kafka, needs, seen):
        raise MissingRights("\n".join(lines))
    return {name: len(topic.replicas) for name, topic in seen.items() if topic.replicas}


def lacking(kafka: KafkaSettings, needs: Mapping[str, Operations], seen: Mapping[str, Seen]) -> list[str]:
    """A line for each topic that lacks an operation that is needed there."""
    problems = []
    for name, needed in needs.items():
        allowed = seen[name].allowed
        if allowed is not None and not needed <= allowed:
            problems.append(_line(kafka, "topic", name, needed - allowed))
    return problems


def lacking_group(kafka: KafkaSettings, group: str, allowed: Operations | None) -> list[str]:
    """Likewise for the consumer group, where Read is needed: one line, or none."""
    return [] if allowed is None or Operation.READ in allowed else [_line(kafka, "group", group, [Operation.READ])]


def lacking_idempotence(kafka: KafkaSettings) -> str:
    """The line for a producer that gets no id."""
    return (
        "cluster: not authorized to IdempotentWrite, which Kafka before 2.8 asks of a producer: kafka-acls.sh --add "
        f"--allow-principal User:{_user(kafka)} --operation IdempotentWrite --cluster"
    )


def _user(kafka: KafkaSettings) -> str:
    return kafka.kafka_sasl_username or "NAME"


def _line(kafka: KafkaSettings, kind: str, name: str, operations: Iterable[Operation]) -> str:
    words = [one.word for one in sorted(operations)]
    options = " ".join(f"--operation {word}" for word in words)
    return (
        f"{kind} {name}: not authorized to {', '.join(words)}: kafka-acls.sh --add --allow-principal User:{_user(kafka)} "
        f"{options} --{kind} {name}"
    )


def _operations(bits: int) -> Operations | None:
    return None if bits == _NOT_TOLD else frozenset(one for one in Operation if bits >> one & 1)
