"""The yardstick: plain aiokafka that consumes records and produces them again, acknowledged, offsets committed.

    python -m bench.plain BOOTSTRAP SOURCE TARGET GROUP COUNT

Prints one JSON line: records, seconds from the first record delivered to the last offset committed, cpu_s of the same time.
"""

import asyncio
import json
import resource
import sys
import time

import uvloop

from settings.kafka import KafkaSettings
from streams.kafka import security

_RECORDS_A_FETCH = 2_000
_LINGER_MS = 5  # as in the worker, and so are idempotence and the size of a batch of records


async def pass_on(bootstrap: str, source: str, target: str, group: str, count: int) -> dict[str, float]:
    """Pass `count` records on from source to target."""
    kafka = KafkaSettings(kafka_bootstrap_servers=bootstrap)
    consumer = security.consumer(kafka, source, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    producer = security.producer(kafka, enable_idempotence=True, linger_ms=_LINGER_MS, max_batch_size=256 * 1024)
    await producer.start()
    await consumer.start()
    passed, began, cpu_before = 0, 0.0, 0.0
    try:
        while passed < count:
            came = await consumer.getmany(timeout_ms=1_000, max_records=_RECORDS_A_FETCH)
            if not came:
                continue
            if not began:
                began, cpu_before = time.perf_counter(), _cpu_s()
            sends = [
                await producer.send(target, record.value, key=record.key, partition=record.partition)
                for records in came.values()
                for record in records
            ]
            await asyncio.gather(*sends)
            await consumer.commit()
            passed += len(sends)
        return {"records": passed, "seconds": time.perf_counter() - began, "cpu_s": _cpu_s() - cpu_before}
    finally:
        await consumer.stop()
        await producer.stop()


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    bootstrap, source, target, group, count = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(pass_on(bootstrap, source, target, group, int(count)))) + "\n")
