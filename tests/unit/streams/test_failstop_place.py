"""A fail-stop names the record that it stopped at: read again, it may well stop the worker again."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from settings.kafka import KafkaSettings
from streams import failstop
from streams.failstop import RecordPlace
from streams.kafka.consumer import AckQueue
from streams.kafka.outbox import Outbox

RECORD: Any = SimpleNamespace(topic="roundbatch.work", partition=3, offset=4_711)
PLACE = RecordPlace("roundbatch.work", 3, 4_711)


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, RecordPlace | None]]:
    seen: list[tuple[str, RecordPlace | None]] = []
    monkeypatch.setattr(failstop, "stop", lambda where, error, at=None: seen.append((where, at)))
    return seen


def test_a_handler_that_raises(stops: list[tuple[str, RecordPlace | None]]) -> None:
    with failstop.guard("reconcile", RECORD):
        raise ValueError
    assert stops == [("reconcile", PLACE)]


class Refusing:
    """A producer that refuses a record at once, or when the broker has seen it."""

    def __init__(self, *, at_once: bool) -> None:
        self._at_once = at_once

    async def send(self, *_: Any, **__: Any) -> "asyncio.Future[Any]":
        refused = asyncio.get_running_loop().create_future()
        if self._at_once:
            raise MessageSizeTooLargeError
        refused.set_exception(MessageSizeTooLargeError())
        return refused


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_send_of_a_record_that_fails(stops: list[tuple[str, RecordPlace | None]], at_once: bool) -> None:
    """The line of acknowledgements comes first, for it knows the record; the send that belongs to none stops all the same."""
    outbox, line = (
        Outbox(KafkaSettings(kafka_bootstrap_servers="nowhere:9092"), linger_ms=0),
        AckQueue(lambda message: None, lambda offset: None),
    )
    producer: Any = Refusing(at_once=at_once)
    outbox._producer = producer
    pump = asyncio.create_task(outbox._run())
    line.add(RECORD, [outbox.send("results", b"x")])
    for _ in range(10):  # turns of the event loop: more than it takes
        await asyncio.sleep(0)
    assert stops == [("effect of a record", PLACE), ("send to results", None)]
    pump.cancel()
    await asyncio.wait([pump])


async def test_what_is_not_acknowledged_is_silent(
    stops: list[tuple[str, RecordPlace | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog asks it: a broker that answers nothing must not go unnoticed."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    outbox = Outbox(KafkaSettings(kafka_bootstrap_servers="nowhere:9092"), linger_ms=0)
    assert outbox.silent_s() == 0
    outbox.send("results", b"x")
    now = 160.0
    outbox.send("results", b"y")
    assert outbox.silent_s() == 60
