"""A topic that was deleted and made again is told from the one that the tables tell of; a re-reading is not taken for one."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from agents.partitions.same_log import SameLog
from streams import failstop
from tables.faults import OtherChangelog, OtherLog
from tables.store import digest
from tests.model.log import PARTITION
from tests.model.worker import ModelWorker
from tests.model.world import Stopped, World


class ModelEnds:
    """The ends of the model's topics, as far as retention has left their records."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.first: dict[str, int] = {}
        self.open_from: int | None = None  # a transaction has been open since this offset: nothing behind it can be read
        self.early = 0  # so many answers come of a leader that does not know its end yet

    async def of(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        places = list(places)
        early, self.early = self.early > 0, self.early - 1
        ends = {topic: self._world.log.end(topic) if self.open_from is None else self.open_from for topic, _ in places}
        return {(topic, place): (self.first.get(topic, 0), 0 if early else ends[topic]) for topic, place in places}

    async def written(self, topic: str, partition: int) -> int:
        return (
            (await self.of([(topic, partition)]))[topic, partition][1] if self.open_from is None else self._world.log.end(topic)
        )

    async def record(self, topic: str, partition: int, offset: int) -> Any:
        found = self._world.log.read(topic, offset)[:1] if offset >= self.first.get(topic, 0) else []
        if not found or (self.open_from is not None and offset >= self.open_from):
            return None
        return SimpleNamespace(timestamp=round(found[0].timestamp * 1000), key=found[0].key, value=found[0].value)


@pytest.fixture
def ends(world: World) -> ModelEnds:
    return ModelEnds(world)


def asker(world: World, ends: ModelEnds) -> SameLog:
    asked: Any = ends
    return SameLog(world.settings(testing={"log_look_s": 0}), world.workers[-1]._tables, asked)


@pytest.fixture
async def answered(world: World) -> ModelWorker:
    """A worker that has answered three records and committed."""
    worker = await world.start()
    for name in ("one", "two", "three"):
        world.request(name, batch=name)
    await world.finish(worker)
    world.clock.advance(60)
    return worker


async def test_what_stands_behind_an_open_transaction_has_been_read_by_an_earlier_version(
    world: World, ends: ModelEnds, answered: ModelWorker
) -> None:
    ends.open_from = 1
    await asker(world, ends).check(answered.view)


def make_anew(world: World, topic: str, *names: str) -> None:
    """Delete a topic and make it again, with new records; Kafka forgets the group's offset in it."""
    world.log._topics[topic].clear()
    world.committed.pop(topic, None)
    for name in names:
        world.request(name, batch=name)


@pytest.mark.parametrize("names", [(), ("new",), ("a", "b", "c"), ("a", "b", "c", "d", "e")])
async def test_the_request_topic(world: World, ends: ModelEnds, answered: ModelWorker, names: tuple[str, ...]) -> None:
    """As many new records as the old topic had got no event, no dead letter and no line in the log."""
    make_anew(world, world.settings().request_topic, *names)
    again = await world.start(await world.kill(answered))
    with pytest.raises(OtherLog, match=rf"topic {world.settings().request_topic} is not the one") as refused:
        await asker(world, ends).check(again.view)
    assert isinstance(refused.value, failstop.Refusal)
    assert "Give the worker a new ROUNDBATCH_APP_ID" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_the_request_topic_where_its_offset_was_kept_and_it_is_longer_already(
    world: World, ends: ModelEnds, answered: ModelWorker
) -> None:
    kept = dict(world.committed)
    make_anew(world, world.settings().request_topic, *"abcde")
    world.committed |= kept
    again = await world.start(await world.kill(answered))
    with pytest.raises(OtherLog):
        await asker(world, ends).check(again.view)


@pytest.mark.parametrize("records", [0, 1, 30])
async def test_the_work_topic(world: World, ends: ModelEnds, answered: ModelWorker, records: int) -> None:
    """Its offsets name jobs and endings: read as another's, a batch would be paid twice."""
    topic = world.settings().work_topic
    make_anew(world, topic)
    for _ in range(records):
        world.log.append(topic, b"{}")
    again = await world.start(await world.kill(answered))
    with pytest.raises(OtherLog, match=f"topic {topic} is not the one"):
        await asker(world, ends).check(again.view)


async def test_an_offset_beyond_the_end_where_the_tables_are_empty(world: World, ends: ModelEnds) -> None:
    world.committed[world.settings().request_topic] = 7
    worker = await world.start()
    with pytest.raises(OtherLog, match="ends before offset 0, and records before offset 7 are known"):
        await asker(world, ends).check(worker.view)


async def test_no_alarm_where_nothing_was_read(world: World, ends: ModelEnds) -> None:
    worker = await world.start()
    await asker(world, ends).check(worker.view)


async def test_no_alarm_for_a_re_reading(world: World, ends: ModelEnds, answered: ModelWorker) -> None:
    """Killed with the tables ahead of what is committed, in both topics."""
    world.request("four", batch="four")
    world.request("five", batch="five")
    await world.run(answered, seconds=0)
    again = await world.start(await world.kill(answered))
    await asker(world, ends).check(again.view)
    await world.finish(again)
    world.check()


async def test_no_alarm_where_retention_has_taken_what_could_tell(world: World, ends: ModelEnds, answered: ModelWorker) -> None:
    for topic in (world.settings().request_topic, world.settings().work_topic):
        ends.first[topic] = world.log.end(topic)
    again = await world.start(await world.kill(answered))
    await asker(world, ends).check(again.view)


async def test_no_alarm_where_the_record_is_no_more_in_its_place(
    world: World, ends: ModelEnds, answered: ModelWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compacted, or of an aborted transaction."""

    async def gone(topic: str, partition: int, offset: int) -> None:
        return None

    monkeypatch.setattr(ends, "record", gone)
    again = await world.start(await world.kill(answered))
    await asker(world, ends).check(again.view)


async def test_no_alarm_where_a_new_leader_does_not_know_its_end_for_a_moment(
    world: World, ends: ModelEnds, answered: ModelWorker
) -> None:
    ends.early = 3
    again = await world.start(await world.kill(answered))
    await asker(world, ends).check(again.view)


async def test_a_record_of_another_topic_stops_collect_before_anything_is_sent(world: World) -> None:
    """Made again under the running worker, and nothing was noticed so far: the last net."""
    worker = await world.start()
    world.request("one")
    await worker.collect()
    await worker.land()
    disk = await world.kill(worker)
    world.clock.advance(60)
    make_anew(world, world.settings().request_topic, "new")
    again = await world.start(disk)
    sent = len(again.outbox.flying())
    with pytest.raises(Stopped, match="collect"):
        await again.collect()
    assert "OtherLog" in world.stopped[0]
    assert (len(again.outbox.flying()), again.consumer.acked[world.settings().request_topic]) == (sent, 0)
    assert again.view.partition == PARTITION


async def test_a_record_that_is_younger_than_what_came_after_it_is_suspicious(world: World, answered: ModelWorker) -> None:
    """The consumer reads on from the new topic's beginning, and these offsets have all been handled."""
    suspected: list[int] = []
    answered.views.same_log.suspect = lambda view: suspected.append(view.partition)
    topic = world.settings().request_topic
    answered.consumer.position[topic] = 0
    await answered.collect()
    assert suspected == []
    make_anew(world, topic, "new")
    answered.consumer.position[topic] = 0
    await answered.collect()
    assert suspected == [PARTITION]


@pytest.mark.parametrize(
    ("restored", "alarm"),
    [
        ((9, None), True),  # it is shorter than what the state directory holds of it
        ((7, (6, digest(b"0/a", b"other"))), True),
        ((7, (6, digest(b"0/a", b"{}"))), False),
        ((5, None), False),  # a store of an older version, behind
        ((0, None), False),
    ],
)
async def test_a_changelog(
    world: World, ends: ModelEnds, monkeypatch: pytest.MonkeyPatch, restored: tuple[int, Any], alarm: bool
) -> None:
    worker = await world.start()
    table = worker.tables["jobs"]
    for _ in range(7):
        world.log.append(table.changelog_topic_name, b"{}", b"0/a")
    monkeypatch.setattr(table, "restored", lambda partition: restored)
    if not alarm:
        await asker(world, ends).check(worker.view)
        return
    said = rf"topic {table.changelog_topic_name} is not the one that the state directory \S+ was restored from"
    with pytest.raises(OtherChangelog, match=said):
        await asker(world, ends).check(worker.view)
