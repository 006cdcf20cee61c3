"""An upgrade: what an older worker does with what a newer one has written, and with what nobody has."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from streams import work
from tests.unit.model.fixtures import Stopped, world
from tests.unit.model.world import World

__all__ = ["world"]

DONE = json.loads(work.encode(work.RequestsDone(offsets=(1,))))


@pytest.mark.parametrize(
    "newer",
    [{**DONE, "v": 2}, {**DONE, "v": 2, "kind": "requests_moved"}, {"v": 7, "kind": "x"}, {**DONE, "v": 2, "why": "gone"}],
)
def test_a_newer_record_is_told_from_one_that_is_none_of_ours(newer: dict[str, Any]) -> None:
    with pytest.raises(work.NewerRecord, match=r"has version \d, this worker reads up to 1: run the newer worker again"):
        work.decode(json.dumps(newer).encode())


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[2]", b'{"v": "2"}', b'{"v": 2.5, "kind": "requests_done"}', b'{"v": 1, "kind": "requests_moved"}']
)
def test_what_no_worker_has_written_is_bad_input(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        work.decode(raw)


async def test_a_newer_record_stops_the_worker_and_a_bad_one_does_not(world: World) -> None:
    topic = world.settings().work_topic
    worker = await world.start()
    world.log.append(topic, b'{"v": 1, "kind": "requests_moved"}')
    await world.run(worker, seconds=0)
    assert world.stopped == []
    assert worker.consumer.acked[topic] == 1

    world.log.append(topic, json.dumps({**DONE, "v": 2}).encode())
    with pytest.raises(Stopped, match="reconcile"):
        await world.run(worker, seconds=0)
    assert "NewerRecord" in world.stopped[0]
    assert worker.consumer.acked[topic] == 1
