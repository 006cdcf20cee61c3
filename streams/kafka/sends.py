"""One record on its way to Kafka, and how it may fail to get there."""

import asyncio
from dataclasses import dataclass
from typing import Any

Headers = list[tuple[str, bytes]]


class TooLarge(ValueError):
    """The topic does not take a record of this size."""

    def __init__(self, topic: str, size: int) -> None:
        super().__init__(f"topic {topic} does not take a record of {size} bytes: raise its max.message.bytes")


@dataclass(slots=True)
class Send:
    """A record in the outbox; `number`: its place in the order of all sends. `alone`: it may not share a batch with others."""

    number: int
    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    headers: Headers | None
    done: "asyncio.Future[Any]"
    lasting: bool = False
    alone: bool = False

    @property
    def size(self) -> int:
        """The record's bytes, without Kafka's framing."""
        headers = sum(len(name) + len(value) for name, value in self.headers or ())
        return len(self.value or b"") + len(self.key or b"") + headers

    def fail(self, error: BaseException) -> None:
        """Tell whoever waits for it."""
        if not self.done.done():
            self.done.set_exception(error)
