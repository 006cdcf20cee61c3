"""The producer of one worker: what it sends stays in flight until a test lands it or loses it."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streams.kafka.outbox import MAX_RECORD_BYTES
from streams.kafka.sends import Headers, TooLarge
from tests.model.log import Log, Record


@dataclass(slots=True)
class _Send:
    value: bytes | None
    key: bytes | None
    headers: Headers | None
    done: "asyncio.Future[Any]"
    lasting: bool


class MemoryOutbox:
    """Like streams.kafka.outbox.Outbox: sends keep their order within a topic's partition, and none across topics."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._flying: dict[str, deque[_Send]] = {}
        self.deaf = False  # its process is gone: what lands is heard of by nobody

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers | None = None,
        lasting: bool = False,
    ) -> "asyncio.Future[Any]":
        """Put a record in flight; the future gives the Record once it has landed."""
        if value is None and key is None:
            raise ValueError(f"{topic}: a record needs a key or a value, for aiokafka's producer")
        if len(value or b"") > MAX_RECORD_BYTES:
            raise ValueError(f"{topic}: a record of {len(value or b'')} bytes")
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._flying.setdefault(topic, deque()).append(_Send(value, key, headers, done, lasting))
        return done

    def flying(self) -> list[str]:
        """The topics with records in flight."""
        return sorted(topic for topic, sends in self._flying.items() if sends)

    def land(self, wanted: Callable[[str], bool] = lambda topic: True, most: int = 1 << 30) -> int:
        """Let records arrive, at most `most` of each wanted topic; returns how many have."""
        landed = 0
        for topic in self.flying():
            if wanted(topic):
                for _ in range(min(most, len(self._flying[topic]))):
                    self._arrive(topic, self._flying[topic].popleft())
                    landed += 1
        return landed

    def _arrive(self, topic: str, send: _Send) -> None:
        size = len(send.value or b"")
        if send.lasting and size > self._log.most_bytes.get(topic, size):
            if not self.deaf and not send.done.done():
                send.done.set_exception(TooLarge(topic, size))
            return
        record: Record = self._log.append(topic, send.value, send.key, send.headers)
        if not self.deaf and not send.done.done():
            send.done.set_result(record)

    def lose(self) -> None:
        """Nothing that is in flight will arrive."""
        self._flying.clear()

    def silent_s(self) -> float:
        """Nothing hangs here: a test decides what arrives."""
        return 0.0

    async def room(self) -> None:
        """There is always room."""

    async def drain(self) -> None:
        """Land everything."""
        self.land()
