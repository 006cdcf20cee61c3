"""What one send costs the processor: our outbox, aiokafka's producer and librdkafka's, in turn on one broker.

    python -m bench.sends [--records 24000] [--repetitions 3]

Each sends the same records, of three sizes, to 4 partitions, 24 at a time as the records of one round are, with a key and
acks=all, idempotent, 5 ms linger; and is done when the last one is acknowledged. The figure is processor time of the process,
its threads included.
"""

import argparse
import asyncio
import resource
import statistics
import sys
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from confluent_kafka import KafkaError, Message

from demo import clients
from settings.kafka import KafkaSettings
from streams.kafka import producers
from streams.kafka.outbox import MAX_RECORD_BYTES, Outbox
from tests.brokers import running_kafka
from tests.brokers.topics import create_topics

PARTITIONS, AT_ONCE = 4, 24
SIZES = (300, 1_000, 4_000)
Sender = Callable[[str, str, int], Coroutine[Any, Any, None]]


def _record(number: int) -> tuple[bytes, bytes, int]:
    return b"x" * SIZES[number % 3], b"%036d" % number, number // AT_ONCE % PARTITIONS


async def outbox(bootstrap: str, topic: str, records: int) -> None:
    """By our outbox."""
    box = Outbox(KafkaSettings(kafka_bootstrap_servers=bootstrap))
    await box.start()
    for start in range(0, records, AT_ONCE):
        for number in range(start, start + AT_ONCE):
            value, key, partition = _record(number)
            box.send(topic, value, key=key, partition=partition)
        await asyncio.sleep(0)
        await box.room()
    await box.stop()


async def aiokafka(bootstrap: str, topic: str, records: int) -> None:
    """By aiokafka's producer, with its own futures."""
    kafka = KafkaSettings(kafka_bootstrap_servers=bootstrap)
    producer = await producers.started(
        kafka, linger_ms=5, batch_bytes=256 * 1024, record_bytes=MAX_RECORD_BYTES, request_timeout_ms=40_000
    )
    for start in range(0, records, AT_ONCE):
        for number in range(start, start + AT_ONCE):
            value, key, partition = _record(number)
            await producer.send(topic, value, key=key, partition=partition)
        await asyncio.sleep(0)
    await producer.stop()


async def librdkafka(bootstrap: str, topic: str, records: int) -> None:
    """By librdkafka's producer; its reports are fetched by a thread, and brought to the event loop in batches."""
    left, loop, done = records, asyncio.get_running_loop(), asyncio.Event()
    producer = clients.producer(
        KafkaSettings(kafka_bootstrap_servers=bootstrap),
        {"enable.idempotence": True, "acks": "all", "linger.ms": 5, "log_level": 0},
    )
    came: list[int] = []

    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise RuntimeError(str(error))
        came.append(message.offset() or 0)

    def fetch() -> None:
        producer.poll(0.05)
        while producer.poll(0):
            pass
        loop.call_soon_threadsafe(settle)

    def settle() -> None:
        nonlocal left
        left -= len(came)
        came.clear()
        if left:
            loop.run_in_executor(None, fetch)
        else:
            done.set()

    loop.run_in_executor(None, fetch)
    for start in range(0, records, AT_ONCE):
        for number in range(start, start + AT_ONCE):
            value, key, partition = _record(number)
            producer.produce(topic, value, key, partition, on_delivery=report)
        await asyncio.sleep(0)
    await done.wait()


def main(arguments: argparse.Namespace) -> None:
    """Run all in turn, print the processor time of a send in each."""
    senders: dict[str, Sender] = {"outbox": outbox, "aiokafka": aiokafka, "librdkafka": librdkafka}
    figures: dict[str, list[float]] = {name: [] for name in senders}
    with running_kafka(lasting=True) as bootstrap:
        topic = f"sends-{uuid.uuid4().hex[:6]}"
        create_topics(bootstrap, {topic: PARTITIONS}, config={"message.timestamp.type": "LogAppendTime"})
        for _ in range(arguments.repetitions):
            for name, send in senders.items():
                before = _cpu_s()
                asyncio.run(send(bootstrap, topic, arguments.records))
                figures[name].append((_cpu_s() - before) / arguments.records * 1e6)
    for name, found in figures.items():
        sys.stdout.write(f"{name:12} {min(found):6.1f} {statistics.median(found):6.1f} {max(found):6.1f} us a send\n")


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.sends", description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=24_000)
    parser.add_argument("--repetitions", type=int, default=3)
    main(parser.parse_args())
