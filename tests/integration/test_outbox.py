"""The producer on real Kafka, where a topic of somebody else takes less than is sent, or is not there for a while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]  # it does not say what it exports

from settings.kafka import KafkaSettings
from streams.kafka.outbox import Outbox
from streams.kafka.sends import TooLarge
from tests.brokers.topics import create_topics
from tests.harness.kafka_reads import read_topic

WAIT_S = 60.0
Steps = Callable[[Outbox], Awaitable[None]]


@asynccontextmanager
async def started(bootstrap: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(KafkaSettings(kafka_bootstrap_servers=bootstrap), linger_ms=20)
    await outbox.start()
    yield outbox
    await asyncio.wait_for(outbox.stop(), WAIT_S)


@pytest.fixture
def run(kafka: str) -> Callable[[Steps], None]:
    """Run a coroutine function with an outbox."""

    async def with_outbox(steps: Steps) -> None:
        async with started(kafka) as outbox:
            await asyncio.wait_for(steps(outbox), WAIT_S)

    return lambda steps: asyncio.run(with_outbox(steps))


def lasting(outbox: Outbox, topic: str, names: list[str], size: int = 100) -> "list[asyncio.Future[object]]":
    return [outbox.send(topic, name.encode().ljust(size, b"."), key=b"k", lasting=True) for name in names]


def read(bootstrap: str, topic: str) -> list[str]:
    return [record.value.rstrip(b".").decode() for record in read_topic(bootstrap, topic)]


def test_what_is_refused_for_its_size_is_told_and_all_others_arrive_once_in_order(
    kafka: str, unique: str, run: Callable[[Steps], None]
) -> None:
    create_topics(kafka, {unique: 2}, config={"max.message.bytes": "2000"})
    create_topics(kafka, {f"{unique}.own": 1})
    before, behind = [f"a{number}" for number in range(40)], [f"b{number}" for number in range(40)]

    async def steps(outbox: Outbox) -> None:
        first = lasting(outbox, unique, before)  # too much for one batch, though each is small
        (large,) = lasting(outbox, unique, ["large"], size=5_000)
        rest = lasting(outbox, unique, behind)
        own = outbox.send(f"{unique}.own", b"own", partition=0)
        with pytest.raises(TooLarge, match=r"5001 bytes: raise its max\.message\.bytes"):
            await large
        await asyncio.gather(*first, *rest, own)
        (again,) = lasting(outbox, unique, ["large again"], size=6_000)
        with pytest.raises(TooLarge):
            await again
        await asyncio.gather(*lasting(outbox, unique, ["last"]))

    run(steps)
    assert read(kafka, unique) == [*before, *behind, "last"]
    assert read(kafka, f"{unique}.own") == ["own"]


def test_what_is_sent_to_a_topic_that_was_deleted_waits_for_it_and_holds_up_no_other(
    kafka: str, unique: str, run: Callable[[Steps], None]
) -> None:
    create_topics(kafka, {unique: 1, f"{unique}.own": 1})
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    names = [f"a{number}" for number in range(20)]

    async def steps(outbox: Outbox) -> None:
        await asyncio.gather(*lasting(outbox, unique, ["before"]))
        (deleted,) = (await asyncio.to_thread(admin.delete_topics, [unique], operation_timeout=30)).values()
        await asyncio.to_thread(deleted.result, 30)
        waiting = lasting(outbox, unique, names[:10])
        while unique not in outbox.parked:  # the first ones are at Kafka's client, which learns that the topic is gone
            await outbox.send(f"{unique}.own", b"own", partition=0)
            waiting += lasting(outbox, unique, names[len(waiting) : len(waiting) + 1])
        waiting += lasting(outbox, unique, names[len(waiting) :])
        await outbox.send(f"{unique}.own", b"own", partition=0)
        assert not any(one.done() for one in waiting)
        await asyncio.to_thread(create_topics, kafka, {unique: 1})
        await asyncio.gather(*waiting)

    run(steps)
    assert read(kafka, unique) == names
