"""The life of one comparison: the topics that are read for it, in which order, and from where."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cli import topic_scan
from cli.explain import life
from cli.explain.life import Found, Step
from settings.settings import Settings
from streams.kafka import rights

_LONGEST_NAME = 249


@dataclass(frozen=True, slots=True)
class Life:
    """Every step, in time order, and where the comparison stands."""

    steps: tuple[Step, ...]
    standing: str


async def read_life(correlation_id: UUID, settings: Settings, since_ms: int | None = None) -> Life:
    """Read the request topic for the id, then the work topic of its partition, the callback topics and the dead letters.

    Errors: LookupError where there is no request topic; MissingRights; aiokafka's KafkaError.
    """
    read = (*_own(settings), *settings.allowed_callback_topics)
    known = await topic_scan.readable(settings, read)
    reading = _IdScan(correlation_id, settings, known, since_ms)
    found = await reading.requests()
    steps = list(life.requested(settings, found))
    if found:
        reading.since_ms = min(one.at_ms for one in found) - topic_scan.CLOCKS_APART_MS
    standing = "no request found"
    firsts: dict[int, Found] = {}
    for one in found:
        firsts.setdefault(one.partition, one)
    for first in firsts.values():
        more, standing = await reading.work(first)
        steps += more
    steps += await reading.events(found)
    steps += await reading.dead_letters(found)
    order = (settings.request_topic, settings.work_topic)  # for steps of the same time
    place = {topic: number for number, topic in enumerate(order)}
    return Life(tuple(sorted(steps, key=lambda step: (step.at_ms, place.get(step.topic, 2), step.offset))), standing)


def _own(settings: Settings) -> tuple[str, ...]:
    return (settings.request_topic, settings.work_topic, settings.dlq_topic(settings.request_topic))


class _IdScan:
    """The reads of one id."""

    def __init__(self, correlation_id: UUID, settings: Settings, known: dict[str, int], since_ms: int | None) -> None:
        self._id, self._settings, self._known, self.since_ms = correlation_id, settings, known, since_ms

    def _scan(self, topic: str, partitions: set[int] | None = None) -> AsyncIterator[Any]:
        places = range(self._known.get(topic, 0)) if partitions is None else partitions
        return topic_scan.scan(self._settings, topic, places, since_ms=self.since_ms)

    async def requests(self) -> list[Found]:
        found: list[Found] = []
        async for record in self._scan(self._settings.request_topic):
            found += life.find(self._id, record.partition, record.offset, record.timestamp, record.value)
        return sorted(found, key=lambda one: (one.partition, one.member))

    async def work(self, first: Found) -> tuple[list[Step], str]:
        topic = self._settings.work_topic
        if topic not in self._known:
            return [], f"there is no topic {topic}: no worker has run"
        reading = life.WorkScan(topic, first, self._id)
        steps: list[Step] = []
        async for record in self._scan(topic, {first.partition}):
            steps += reading.read(record.offset, record.timestamp, record.value)
        return steps, reading.standing

    async def events(self, found: list[Found]) -> list[Step]:
        steps = []
        named = [one.callback_topic for one in found if one.callback_topic is not None]
        # Topics that earlier settings allowed, too. A record may also name what cannot be a topic at all.
        others = [topic for topic in named if topic not in self._known and topic.isascii() and len(topic) <= _LONGEST_NAME]
        self._known |= await rights.partitions(self._settings, dict.fromkeys(others, rights.NONE)) if others else {}
        for topic in dict.fromkeys((*self._settings.allowed_callback_topics, *named)):
            async for record in self._scan(topic):
                steps.append(life.result(self._id, topic, record.partition, record.offset, record.timestamp, record))
        return [step for step in steps if step is not None]

    async def dead_letters(self, found: list[Found]) -> list[Step]:
        steps = []
        topic = self._settings.dlq_topic(self._settings.request_topic)
        async for record in self._scan(topic):
            headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
            steps.append(life.dead_letter(found, topic, record.partition, record.offset, record.timestamp, headers))
        return [step for step in steps if step is not None]
