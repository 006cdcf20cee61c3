"""A worker with a name in the group: what it says to Kafka, and how it ends when it is not alone with its name."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import structlog
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1, SyncGroupRequest, SyncGroupResponse_v1

from settings.settings import Settings
from streams import failstop
from streams.kafka import static_member
from streams.kafka.static_member import FENCED_INSTANCE_ID, NamedCommit, NamedHeartbeat, NameTaken, StaticMember

HEARTBEAT = HeartbeatRequest("group", 3, "member-1")
COMMIT = OffsetCommitRequest("group", 3, "member-1", -1, [("requests", [(0, 7, ""), (1, 9, "")])])
VERSIONS = {12: (0, 4), 8: (2, 9)}


class Ended(Exception):
    """In place of an exit."""


class Coordinator:
    """aiokafka's coordinator as far as the name is concerned: what it sends, and the answer that it gets."""

    def __init__(self, answer: Any) -> None:
        self.sent: list[Any] = []
        self._answer = answer
        self._group_subscription: set[str] | None = None
        self._metadata_snapshot: dict[str, int] = {}
        self._subscription = SimpleNamespace(topics={"requests", "work"})
        self._client = SimpleNamespace(_maybe_wait_metadata=self._metadata_is_there)

    async def _metadata_is_there(self) -> None:
        return None

    def _get_metadata_snapshot(self) -> dict[str, int]:
        return dict.fromkeys(self._group_subscription or (), 4)

    async def _send_req(self, request: Any) -> Any:
        self.sent.append(request)
        return self._answer


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    found: list[BaseException] = []

    def stop(where: str, error: BaseException, at: object = None) -> NoReturn:
        found.append(error)
        raise Ended

    monkeypatch.setattr(failstop, "stop", stop)
    return found


def member(tmp_path: Path, name: str = "worker-0", **settings: Any) -> StaticMember:
    return StaticMember(Settings(state_dir=tmp_path, **settings), name)


async def test_the_name_goes_with_each_heartbeat_and_each_commit(tmp_path: Path) -> None:
    coordinator = Coordinator(HeartbeatResponse_v1(0, 0))
    member(tmp_path).guard(coordinator)
    await coordinator._send_req(HEARTBEAT)
    await coordinator._send_req(COMMIT)
    heartbeat, commit = (request.prepare(VERSIONS).to_object() for request in coordinator.sent)
    assert heartbeat == {"group": "group", "generation_id": 3, "member_id": "member-1", "group_instance_id": "worker-0"}
    assert commit["group_instance_id"] == "worker-0"
    assert (commit["group"], commit["generation_id"], commit["member_id"]) == ("group", 3, "member-1")
    places = [
        {"partition": partition, "offset": offset, "leader_epoch": -1, "metadata": ""} for partition, offset in ((0, 7), (1, 9))
    ]
    assert commit["topics"] == [{"topic": "requests", "partitions": places}]


def fenced(request: Any) -> Any:
    """Kafka's answer, read from its bytes as it comes."""
    answer = request.prepare(VERSIONS).RESPONSE_TYPE
    if isinstance(request, NamedCommit):
        return answer.decode(answer(0, [("requests", [(0, 0), (1, FENCED_INSTANCE_ID)])]).encode())
    return answer.decode(answer(0, FENCED_INSTANCE_ID).encode())


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (HEARTBEAT, lambda: fenced(NamedHeartbeat("", 0, "", ""))),
        (COMMIT, lambda: fenced(NamedCommit(COMMIT, ""))),
        (SyncGroupRequest("group", 3, "member-1", "worker-0", []), lambda: SyncGroupResponse_v1(0, FENCED_INSTANCE_ID, b"")),
    ],
)
async def test_a_member_that_was_replaced_ends_in_words(
    tmp_path: Path, ended: list[BaseException], request_: Any, answer: Callable[[], Any]
) -> None:
    coordinator = Coordinator(answer())
    member(tmp_path).guard(coordinator)
    with pytest.raises(Ended):
        await coordinator._send_req(request_)
    (error,) = ended
    assert isinstance(error, NameTaken)
    assert "KAFKA_GROUP_INSTANCE_ID=worker-0" in str(error)
    assert "give each worker a name of its own" in str(error)


@pytest.mark.parametrize("code", [25, 22, 27])  # unknown member id, illegal generation, rebalance in progress
async def test_what_aiokafka_deals_with_itself_is_left_to_it(tmp_path: Path, code: int) -> None:
    coordinator = Coordinator(HeartbeatResponse_v1(0, code))
    member(tmp_path).guard(coordinator)
    assert (await coordinator._send_req(HEARTBEAT)).error_code == code


async def test_a_member_that_has_joined_looks_for_changes_of_topics(tmp_path: Path) -> None:
    """It may lead the group without knowing: a leader that was replaced stays leader."""
    coordinator = Coordinator(SyncGroupResponse_v1(0, 0, b""))
    member(tmp_path).guard(coordinator)
    await coordinator._send_req(SyncGroupRequest("group", 3, "member-1", "worker-0", []))
    assert coordinator._group_subscription == {"requests", "work"}
    assert coordinator._metadata_snapshot == {"requests": 4, "work": 4}


class Group:
    """Whether the name is held, at each look; at all further ones as at the last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *held: bool) -> None:
        self.looks = 0
        self._held = held
        monkeypatch.setattr(StaticMember, "_is_held", self._look)
        monkeypatch.setattr(static_member, "_LOOK_S", 0.0)

    async def _look(self, *_: object) -> bool:
        self.looks += 1
        return self._held[min(self.looks, len(self._held)) - 1]


async def replaced(of: StaticMember) -> None:
    coordinator = Coordinator(fenced(NamedHeartbeat("", 0, "", "")))
    of.guard(coordinator)
    with pytest.raises(Ended):
        await coordinator._send_req(HEARTBEAT)


async def test_a_start_takes_the_place_of_the_process_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(monkeypatch, True, False)
    with structlog.testing.capture_logs() as lines:
        await member(tmp_path).wait_until_free()
    assert group.looks == 1
    assert [line["event"] for line in lines] == ["place_taken_over"]


async def test_a_start_after_it_was_replaced_waits_until_the_name_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: list[BaseException]
) -> None:
    await replaced(member(tmp_path))
    group = Group(monkeypatch, True, True, True, False)
    with structlog.testing.capture_logs() as lines:
        await member(tmp_path).wait_until_free()
    assert group.looks == 4
    assert [line["event"] for line in lines] == ["name_held"], "it says once that it waits"
    group = Group(monkeypatch, True)
    await member(tmp_path).wait_until_free()
    assert group.looks == 1, "no note is left to wait for"


async def test_a_start_ends_in_words_while_the_other_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: list[BaseException]
) -> None:
    await replaced(member(tmp_path))
    Group(monkeypatch, True)
    monkeypatch.setattr(static_member, "_MARGIN_S", 0.0)
    for _ in range(2):  # each time it is started
        with pytest.raises(NameTaken, match="holds the place of this one"):
            await member(tmp_path, broker_session_timeout_s=0.05).wait_until_free()


async def test_a_start_under_another_name_does_not_mind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: list[BaseException]
) -> None:
    await replaced(member(tmp_path))
    group = Group(monkeypatch, True)
    await member(tmp_path, "worker-1").wait_until_free()
    assert group.looks == 1, "it has not waited"


def test_it_has_an_exit_code_of_its_own() -> None:
    program = (
        "from streams import failstop\nfrom streams.kafka.static_member import NameTaken\n"
        "with failstop.guard('group'):\n    raise NameTaken('two of one name')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == failstop.EXIT_NAME_TAKEN == 75
    assert done.stderr.splitlines() == ["two of one name"]
