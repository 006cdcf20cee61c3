"""Questions about missing records: one at a time."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from agents.partitions import missing_records
from agents.partitions.missing_records import MissingRecords


class SilentLog:
    """A log that answers no question before it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.back = asyncio.Event()

    async def first_kept(self, topic: str, partition: int) -> int:
        """Nothing was removed."""
        return 0

    async def first_record(self, topic: str, partition: int, start: int, end: int) -> int | None:
        """Where the first record is."""
        self.asked += 1
        await self.back.wait()
        return start


async def test_while_kafka_is_silent_one_question_waits_not_one_for_every_three_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(missing_records, "_PATIENCE_S", 0.0)
    sought: asyncio.Queue[int] = asyncio.Queue()

    async def seek_back(_: Any, offset: int) -> bool:
        sought.put_nowait(offset)
        return True

    log = SilentLog()
    app: Any = SimpleNamespace(consumer=SimpleNamespace(seek_back=seek_back))
    view: Any = SimpleNamespace(partition=0, dead=False)
    asked: Any = log
    looking = MissingRecords(app, asked)

    for _ in range(5):
        assert not looking.is_real(view, "topic", 7, 9)
        await asyncio.sleep(0)
    assert log.asked == 1

    log.back.set()
    assert await sought.get() == 7
    assert not looking.is_real(view, "topic", 7, 9)  # still missing: asked anew
    await asyncio.sleep(0)
    assert log.asked == 2


async def test_what_retention_has_removed_is_told_once() -> None:
    class Shortened(SilentLog):
        async def first_kept(self, topic: str, partition: int) -> int:
            return 9

    async def seek_back(_: Any, offset: int) -> bool:
        return True

    log: Any = Shortened()
    log.back.set()
    app: Any = SimpleNamespace(consumer=SimpleNamespace(seek_back=seek_back))
    view: Any = SimpleNamespace(partition=0, dead=False)
    told: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    looking = MissingRecords(app, log)
    looking.on_removed = lambda topic, offsets: told.put_nowait((topic, offsets))

    assert not looking.is_real(view, "topic", 7, 12)  # 7 and 8 are gone, and 9 to 11 are there
    assert await told.get() == ("topic", 2)
    looking.removed("topic", 0, 7, 9)  # the view of another assignment
    assert told.empty()
    looking.removed("topic", 0, 7, 11)
    assert await told.get() == ("topic", 2)
