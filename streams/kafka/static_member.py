"""A worker with a name of its own in the consumer group (KAFKA_GROUP_INSTANCE_ID); Kafka calls it a static member.

Kafka keeps the partitions of such a worker for the length of the session, whether its process has ended or not. A process that
joins under the name gets them at once: no other worker is asked, and the group's generation stays. What tells the new process
from the old one is the member id alone, which each join gets anew.

aiokafka sends the name only where it joins. The older of two processes of one name would hear that its member id is not known,
as it does when its session has run out, would join again and so put out the newer one, and both would take turns for ever. So
here the name goes with each heartbeat and each commit too: Kafka then says that the member was replaced (FENCED_INSTANCE_ID),
and the older process ends, with words and an exit code of its own. It also leaves a note in its state directory. A supervisor
may start it again, and a start that finds the note waits for the session, and ends likewise if the name is held all that time.
"""

import asyncio
import time
from typing import Any

import structlog
from aiokafka.client import CoordinationType
from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetCommitResponse_v3
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1, SyncGroupRequest
from aiokafka.protocol.types import Array, Int32, Int64, Schema, String

from settings.settings import Settings
from streams import failstop
from streams.kafka import security

log = structlog.get_logger("static_member")

FENCED_INSTANCE_ID = 82
_NOTE = "replaced"
_LOOK_S = 0.5
_MARGIN_S = 3.0  # Kafka ends a session some moments late
_NOBODY = "asks-whether-the-name-is-held"  # no member has this id
_NO_EPOCH = -1
# What both requests begin with: of whom they are.
_WHO = (
    ("group", String("utf-8")),
    ("generation_id", Int32),
    ("member_id", String("utf-8")),
    ("group_instance_id", String("utf-8")),
)


class NameTaken(failstop.Refusal):
    """Another process has this worker's name in the group."""

    exit_code = failstop.EXIT_NAME_TAKEN


class _HeartbeatResponse(Response):  # type: ignore[misc]
    API_KEY = 12
    API_VERSION = 3
    SCHEMA = HeartbeatResponse_v1.SCHEMA


class _Heartbeat(RequestStruct):  # type: ignore[misc]
    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = _HeartbeatResponse
    SCHEMA = Schema(*_WHO)


class NamedHeartbeat(Request[_Heartbeat]):  # type: ignore[misc]
    """A heartbeat that says the member's name (Kafka 2.3 and newer)."""

    API_KEY = 12

    def __init__(self, group: str, generation: int, member_id: str, name: str) -> None:
        self._fields = (group, generation, member_id, name)

    def build(self, request_struct_class: type[_Heartbeat]) -> _Heartbeat:
        """The request as it goes over the wire."""
        return request_struct_class(*self._fields)


class _CommitResponse(Response):  # type: ignore[misc]
    API_KEY = 8
    API_VERSION = 7
    SCHEMA = OffsetCommitResponse_v3.SCHEMA


class _Commit(RequestStruct):  # type: ignore[misc]
    API_KEY = 8
    API_VERSION = 7
    RESPONSE_TYPE = _CommitResponse
    SCHEMA = Schema(
        *_WHO,
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", String("utf-8"))),
                ),
            ),
        ),
    )


class NamedCommit(Request[_Commit]):  # type: ignore[misc]
    """A commit of offsets that says the member's name (Kafka 2.3 and newer)."""

    API_KEY = 8

    def __init__(self, request: Any, name: str) -> None:
        topics = [
            (topic, [(partition, offset, _NO_EPOCH, metadata) for partition, offset, metadata in partitions])
            for topic, partitions in request._topics
        ]
        self._fields = (
            request._consumer_group,
            request._consumer_group_generation_id,
            request._consumer_id,
            name,
            topics,
        )

    def build(self, request_struct_class: type[_Commit]) -> _Commit:
        """The request as it goes over the wire."""
        return request_struct_class(*self._fields)


class StaticMember:
    """The name of this process in the group, and what is done where it is not alone with it."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings, self._name = settings, name
        self._note = settings.state_dir / _NOTE

    def guard(self, coordinator: Any) -> None:
        """Have the name said in whatever aiokafka's coordinator sends, and the process end once it has been replaced."""
        send = coordinator._send_req

        async def send_with_name(request: Any) -> Any:
            answer = await send(self._with_name(request))
            if FENCED_INSTANCE_ID in _error_codes(answer):
                self._replaced()
            if isinstance(request, SyncGroupRequest) and not answer.error_code:
                await _watch_topics(coordinator)
            return answer

        coordinator._send_req = send_with_name

    def _with_name(self, request: Any) -> Any:
        if isinstance(request, HeartbeatRequest):
            return NamedHeartbeat(request._group, request._generation_id, request._member_id, self._name)
        if isinstance(request, OffsetCommitRequest):
            return NamedCommit(request, self._name)
        return request

    def _replaced(self) -> None:
        try:
            self._note.write_text(f"{self._name}\n")
        except OSError as error:  # the exit must follow in any case
            log.error("note_not_written", path=str(self._note), error=repr(error))
        failstop.stop("group", NameTaken(self._words("has taken this one's place")))

    def _words(self, what: str) -> str:
        return (
            f"another worker {what}: it runs under the same KAFKA_GROUP_INSTANCE_ID={self._name} in the consumer group "
            f"{self._settings.app_id}; give each worker a name of its own, or stop one of the two "
            "(kafka-consumer-groups.sh --describe --members --verbose shows where the other one runs)"
        )

    async def wait_until_free(self) -> None:
        """Where this worker was replaced when it last ran, wait until its name is free. Raises NameTaken if it does not get so.

        Without such a note whoever holds the name is taken to be the process before this one, which has ended. Raises
        KafkaRefused where Kafka is too old to know of names.
        """
        until_s = time.monotonic() + self._settings.broker_session_timeout_s + _MARGIN_S
        was_replaced, told = self._was_replaced(), False
        while await self._is_held():
            if not was_replaced:
                log.info("place_taken_over", name=self._name, said="the partitions of the process before this one are kept")
                return
            if time.monotonic() > until_s:
                raise NameTaken(self._words("holds the place of this one"))
            if not told:
                log.warning("name_held", name=self._name, wait_s=self._settings.broker_session_timeout_s)
                told = True
            await asyncio.sleep(_LOOK_S)
        self._note.unlink(missing_ok=True)

    def _was_replaced(self) -> bool:
        return self._note.exists() and self._note.read_text().strip() == self._name

    async def _is_held(self) -> bool:
        """Whether a member of the group has the name: a heartbeat of nobody under this name is answered accordingly."""
        client = security.client(self._settings)
        try:
            await client.bootstrap()
            node = await _coordinator(client, self._settings.app_id)
            answer = await client.send(node, NamedHeartbeat(self._settings.app_id, -1, _NOBODY, self._name))
        except NotImplementedError as error:  # aiokafka's word for a version that the broker does not know
            raise security.KafkaRefused("KAFKA_GROUP_INSTANCE_ID needs Kafka 2.3 or newer: unset it") from error
        finally:
            await client.close()
        return bool(answer.error_code == FENCED_INSTANCE_ID)


async def _coordinator(client: Any, group: str) -> Any:
    """The broker that keeps the group. Just after Kafka's own start there is none yet."""
    until_s = time.monotonic() + 30.0
    while True:
        try:
            node = await client.coordinator_lookup(CoordinationType.GROUP, group)
            if await client.ready(node):
                return node
        except KafkaError as error:
            if not error.retriable or time.monotonic() > until_s:
                raise
        await asyncio.sleep(0.1)


def _error_codes(answer: Any) -> set[int]:
    if isinstance(answer, _CommitResponse):
        return {code for _, partitions in answer.topics for _, code in partitions}
    return {getattr(answer, "error_code", 0)}


async def _watch_topics(coordinator: Any) -> None:
    """Let this member look whether topics change, though it may not know that it leads the group.

    A leader that is replaced stays leader, but its join is answered with the old member id, so that it takes itself for a
    follower. Nobody would notice then that a topic was deleted and made again.
    """
    if coordinator._group_subscription is not None:
        return
    await coordinator._client._maybe_wait_metadata()
    coordinator._group_subscription = set(coordinator._subscription.topics)
    coordinator._metadata_snapshot = coordinator._get_metadata_snapshot()
