"""One record on its way to Kafka, and how it may fail to get there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Headers = list[tuple[str, bytes]]


class TooLarge(ValueError):
    """The topic does not take a record of this size."""

    def __init__(self, topic: str, size: int) -> None:
        super().__init__(f"topic {topic} does not take a record of {size} bytes: raise its max.message.bytes")


@dataclass(slots=True, eq=False)
class Send:
    """A record in the outbox; `number`: its place in the order of all sends. `alone`: it may not share a batch with others.

    aiokafka's batches take it for the future that they are to tell: `done`, `set_result` and `set_exception` are for them. It
    then hands itself to `over`, so that all records of a batch are settled in one turn of the event loop.
    """

    number: int
    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    headers: Headers | None
    told: "asyncio.Future[Any]"  # what the sender waits for
    over: "Callable[[Send], None]"
    lasting: bool = False
    alone: bool = False
    metadata: Any = field(default=None, init=False)  # aiokafka's RecordMetadata, once it is acknowledged
    error: BaseException | None = field(default=None, init=False)

    @property
    def size(self) -> int:
        """The record's bytes, without Kafka's framing."""
        headers = sum(len(name) + len(value) for name, value in self.headers or ())
        return len(self.value or b"") + len(self.key or b"") + headers

    def itself(self) -> "Send":
        """What a batch asks for when it wants a future."""
        return self

    def done(self) -> bool:
        """Whether the batch has told it how it ended."""
        return self.metadata is not None or self.error is not None

    def set_result(self, metadata: Any) -> None:
        """Kafka has acknowledged it."""
        self.metadata = metadata
        self.over(self)

    def set_exception(self, error: BaseException) -> None:
        """Kafka has refused it, or its client has given up."""
        self.error = error
        self.over(self)

    def ended(self, acknowledged: "asyncio.Future[Any]") -> None:
        """A callback for a future that aiokafka has made for it."""
        if acknowledged.cancelled():
            return  # the event loop is closing
        error = acknowledged.exception()
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(acknowledged.result())

    def again(self) -> None:
        """It is to be sent once more."""
        self.metadata = self.error = None

    def fail(self, error: BaseException) -> None:
        """Tell whoever waits for it."""
        if not self.told.done():
            self.told.set_exception(error)
