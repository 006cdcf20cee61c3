"""Parked records: their topic does not exist. They wait, in their order, until it does, and hold up no other topic's records.

Kafka's client would wait for a topic that it does not know with all other records behind it, and give up after 40 s. A deleted
topic may be made again hours later, and results that have been paid for must not be lost. Records of that topic which the
client had taken before are sent first.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from streams import failstop
from streams.kafka.sends import Send

log = structlog.get_logger("outbox")
_LOOK_S = 0.5


class Parked:
    """The records that wait, by topic. `is_there` asks the brokers for a topic; `unpark` gets the records back, in order."""

    def __init__(self, is_there: Callable[[str], Awaitable[bool]], unpark: Callable[[list[Send]], None]) -> None:
        self._is_there, self._unpark = is_there, unpark
        self._waiting: dict[str, list[Send]] = {}
        self._handed: Counter[str] = Counter()
        self._looking: set[asyncio.Future[None]] = set()

    def __contains__(self, topic: object) -> bool:
        return topic in self._waiting

    def count(self, topic: str, records: int) -> None:
        """Count records of a topic that Kafka's client has taken (or, negative, has sent)."""
        self._handed[topic] += records

    def add(self, send: Send) -> None:
        """Let a record wait for its topic; with the first one a task begins to look for the topic."""
        waiting = self._waiting.setdefault(send.topic, [])
        waiting.append(send)
        if len(waiting) == 1:
            looking = asyncio.ensure_future(self._look(send.topic))
            self._looking.add(looking)
            failstop.watch(looking, "outbox")
            looking.add_done_callback(self._looking.discard)

    async def _look(self, topic: str) -> None:
        gone = False
        while not (there := await self._is_there(topic)) or self._handed[topic]:
            if not there and not gone:
                gone = True
                log.error("topic_not_there", topic=topic, said="what is sent to it waits until it is back")
            await asyncio.sleep(_LOOK_S)
        sends = sorted(self._waiting.pop(topic), key=lambda send: send.number)
        if gone:
            log.info("topic_is_back", topic=topic, waited=len(sends))
        self._unpark(sends)
