"""What a fetch gives out while a rebalance goes on, with aiokafka's own consumer on real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faust.types import TP

from streams.kafka.handover import Handover, Records
from tests.brokers.topics import create_topics
from tests.waiting import LIMIT_S

WAIT_S = LIMIT_S


class Rig:
    """A consumer of one partition, fetching as Faust's thread does, and a producer."""

    def __init__(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, tp: TP) -> None:
        self.consumer, self.tp, self._producer = consumer, tp, producer
        self.handover = Handover()
        self.wanted = {tp}

    async def send(self, value: str) -> None:
        await self._producer.send_and_wait(self.tp.topic, value.encode(), partition=self.tp.partition)

    async def fetch(self, timeout_s: float = WAIT_S) -> list[str]:
        async def fetched(wanted: Any) -> Records:
            records: Records = await self.consumer._fetcher.fetched_records(wanted, timeout=timeout_s)
            return records

        records = await self.handover.fetch(self.consumer, self.wanted, fetched)
        return [row.value.decode() for rows in records.values() for row in rows]


@asynccontextmanager
async def rig(bootstrap: str, topic: str) -> AsyncIterator[Rig]:
    tp = TP(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50)
    consumer.assign([TopicPartition(topic, 0)])
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer, consumer:
        yield Rig(consumer, producer, tp)


@pytest.fixture
def run(kafka: str, unique: str) -> Callable[[Callable[[Rig], Awaitable[None]]], None]:
    """Run a coroutine function with a rig on a topic of its own."""
    create_topics(kafka, {unique: 1})

    async def with_rig(steps: Callable[[Rig], Awaitable[None]]) -> None:
        async with rig(kafka, unique) as made:
            await steps(made)

    return lambda steps: asyncio.run(with_rig(steps))


def test_a_fetch_that_waits_while_all_partitions_are_paused_gives_nothing_out(run: Any) -> None:
    async def steps(rig: Rig) -> None:
        waiting = asyncio.ensure_future(rig.fetch(timeout_s=0.5))
        await asyncio.sleep(0)
        rig.wanted.clear()
        await rig.send("a")
        assert await waiting == []
        rig.wanted.add(rig.tp)
        assert await rig.fetch() == ["a"]

    run(steps)


def test_records_that_nobody_received_are_given_out_again_and_no_others(run: Any) -> None:
    async def steps(rig: Rig) -> None:
        await rig.send("a")
        assert await rig.fetch() == ["a"]
        assert await rig.fetch() == ["a"]
        rig.handover.received()
        await rig.send("b")
        assert await rig.fetch() == ["b"]

    run(steps)


def test_a_seek_made_meanwhile_stands(run: Any) -> None:
    async def steps(rig: Rig) -> None:
        await rig.send("a")
        assert await rig.fetch() == ["a"]
        rig.handover.received()
        await rig.send("b")
        assert await rig.fetch() == ["b"]
        rig.consumer.seek(TopicPartition(*rig.tp), 0)
        seen = await rig.fetch()
        assert seen[0] == "a"

    run(steps)


def test_what_a_cancelled_fetch_took_comes_with_the_next(run: Any) -> None:
    async def steps(rig: Rig) -> None:
        # Faust cancels the wait for the thread's answer, not the fetch in the thread: it goes on, and takes records.
        abandoned = asyncio.ensure_future(rig.fetch())
        await asyncio.sleep(0)
        following = asyncio.ensure_future(rig.fetch())
        await rig.send("a")
        assert await following == ["a"]
        assert await abandoned == ["a"]

    run(steps)
