"""Kafkas that the tests do not have: one before 2.8, one that tells nobody's rights, one that is just coming up."""

from typing import Any

import pytest
from aiokafka.errors import UnknownError
from aiokafka.protocol.coordination import FindCoordinatorResponse_v1
from aiokafka.protocol.metadata import MetadataResponse_v5
from aiokafka.protocol.transaction import InitProducerIdResponse_v0

from settings.kafka import KafkaSettings
from streams.kafka import rights

METADATA, FIND_COORDINATOR, DESCRIBE_GROUPS, INIT_PRODUCER_ID = 3, 10, 15, 22


class Client:
    """A client of a Kafka that knows these versions of requests; its answers come in this order."""

    def __init__(self, versions: dict[int, tuple[int, int]], *answers: Any) -> None:
        self._versions, self._answers = versions, list(answers)

    def get_random_node(self) -> int:
        return 1

    async def force_metadata_update(self) -> None:
        pass

    async def send(self, _: int, request: Any) -> Any:
        request.prepare(self._versions)  # aiokafka raises where there is no version that both know
        return self._answers.pop(0)


def found(code: int) -> FindCoordinatorResponse_v1:
    return FindCoordinatorResponse_v1(0, code, None, 1, "host", 9092)


async def test_a_kafka_before_2_3_tells_topics_and_no_rights() -> None:
    partition = (0, 0, 1, [1, 2, 3], [1, 2, 3], [])
    answer = MetadataResponse_v5(0, [], "cluster", 1, [(0, "in", False, [partition]), (29, "hidden", False, [])])
    seen = await rights.of_topics(Client({METADATA: (0, 7)}, answer), ["in", "hidden"])
    assert seen == {"in": rights.Seen((3,), None), "hidden": rights.Seen((), rights.NONE)}
    lacking = rights.lacking(KafkaSettings(), {"in": rights.READ, "hidden": rights.READ | rights.WRITE}, seen)
    assert [line.partition(":")[0] for line in lacking] == ["topic hidden"]
    assert "not authorized to Read, Write" in lacking[0]

    known = {FIND_COORDINATOR: (0, 1), DESCRIBE_GROUPS: (0, 2)}
    assert await rights.of_group(Client(known, found(0)), "group") is None
    assert rights.lacking_group(KafkaSettings(), "group", None) == []


async def test_the_broker_of_a_group_is_waited_for_and_another_error_is_not() -> None:
    known = {FIND_COORDINATOR: (0, 1)}
    coming = [found(15), found(14), found(30)]
    assert await rights.of_group(Client(known, *coming), "group") == rights.NONE
    with pytest.raises(UnknownError):
        await rights.of_group(Client(known, found(-1)), "group")


async def test_a_kafka_before_2_8_wants_idempotent_write_of_a_producer() -> None:
    known = {INIT_PRODUCER_ID: (0, 0)}
    assert await rights.may_be_idempotent(Client(known, InitProducerIdResponse_v0(0, 0, 17, 0)))
    assert not await rights.may_be_idempotent(Client(known, InitProducerIdResponse_v0(0, 31, -1, -1)))
    line = rights.lacking_idempotence(KafkaSettings())
    assert line.startswith("cluster: not authorized to IdempotentWrite")
    assert line.endswith("--operation IdempotentWrite --cluster")
