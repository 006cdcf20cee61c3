"""An upgrade: what an older worker does with what a newer one has written, and with what nobody has."""

import json
import uuid
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from cli.main import app
from streams.wire import work
from tables.codec import Codec
from tables.faults import UnknownVersion
from tests.model.values import members, plan
from tests.model.world import Stopped, World

DONE = json.loads(work.encode(work.RequestsDone(offsets=(1,))))
NEWER = work.VERSION + 1


@pytest.mark.parametrize(
    "newer",
    [
        {**DONE, "v": NEWER},
        {**DONE, "v": NEWER, "kind": "requests_moved"},
        {"v": 7, "kind": "x"},
        {**DONE, "v": NEWER, "why": "gone"},
    ],
)
def test_a_newer_record_is_told_from_one_that_is_none_of_ours(newer: dict[str, Any]) -> None:
    with pytest.raises(work.NewerRecord, match=r"has version \d, this worker reads up to 4: run the newer worker again"):
        work.decode(json.dumps(newer).encode())


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[2]", b'{"v": "2"}', b'{"v": 2.5, "kind": "requests_done"}', b'{"v": 1, "kind": "requests_moved"}']
)
def test_what_no_worker_has_written_is_bad_input(raw: bytes) -> None:
    with pytest.raises(work.Undecodable):
        work.decode(raw)


def test_a_record_of_the_version_before_is_read_and_what_it_lacks_has_its_default() -> None:
    planned = work.JobPlanned(plan=plan(members(2)))
    older = json.loads(work.encode(planned))
    older["v"] = 1
    del older["plan"]["refused"], older["plan"]["without"]
    read = work.decode(json.dumps(older).encode())
    assert isinstance(read, work.JobPlanned)
    assert read.plan == planned.plan


def test_a_table_value_of_the_version_before_is_read_and_a_newer_one_is_not() -> None:
    older, newer = Codec(int), Codec(int, version=2)
    assert newer.decode(older.encode(7)) == newer.decode(newer.encode(7)) == 7
    for value in (newer.encode(7), b"", b"\x00"):
        with pytest.raises(UnknownVersion, match="reads up to 1"):
            older.decode(value)


async def test_a_newer_record_stops_the_worker_and_a_bad_one_does_not(world: World) -> None:
    topic = world.settings().work_topic
    worker = await world.start()
    world.log.append(topic, b'{"v": 1, "kind": "requests_moved"}')
    await world.run(worker, seconds=0)
    assert world.stopped == []
    assert worker.consumer.acked[topic] == 1

    world.log.append(topic, json.dumps({**DONE, "v": NEWER}).encode())
    with pytest.raises(Stopped, match="reconcile"):
        await world.run(worker, seconds=0)
    assert "NewerRecord" in world.stopped[0]
    assert worker.consumer.acked[topic] == 1


def test_explain_says_that_it_is_too_old_instead_of_passing_over_a_newer_record(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read_life(*_: object) -> NoReturn:
        work.decode(json.dumps({**DONE, "v": NEWER}).encode())
        raise AssertionError

    async def let_in(*_: object) -> None:
        pass

    monkeypatch.setattr("streams.kafka.security.check", let_in)
    monkeypatch.setattr("cli.explain.life_topics.read_life", read_life)
    told = CliRunner(env={"ANTHROPIC_API_KEY": "key"}).invoke(app, ["explain", str(uuid.uuid4())])
    assert told.exit_code == 1
    assert f"has version {NEWER}" in told.output
