"""The event that ends a comparison, on its way to its callback topic, which is somebody else's and may take less than we send.

An event that is refused for its size is replaced by the smallest error event, and where that is refused too, by a dead letter.
That it was refused is put into `outcomes` first. So whoever reads the work record again, after a crash or on another worker,
sends the same bytes, even if the topic's limit has been raised meanwhile.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faust.types import Message

from agents.records.dead_letters import DeadLetters
from agents.records.trace_context import Traced
from agents.records.trace_context import traced as trace_of
from domain.outcome import Outcome
from streams import failstop
from streams.kafka.outbox import Outbox
from streams.kafka.sends import TooLarge
from streams.wire import results
from streams.wire.requests import InboundMember, InboundRecord
from streams.wire.results import ResultMessage, result_message
from tables import outcomes
from tables.view import Tables


@dataclass(slots=True)
class Event:
    """One comparison's event, with what it was made from."""

    record: InboundRecord
    outcome: Outcome  # as the event tells it
    message: ResultMessage
    append_ms: int  # of the request
    trace: Traced | None
    is_smallest: bool = False

    @property
    def request(self) -> InboundMember:
        """The comparison as it was asked for."""
        return self.record.members[self.outcome.member.position]

    def smallest(self) -> "Event":
        """The error event for a topic that does not take this one."""
        told, outcome = results.smallest(self.request, self.outcome, len(self.message.value))
        return Event(
            self.record, outcome, _message(self.record, told, outcome, self.append_ms), self.append_ms, self.trace, True
        )


def make_event(record: InboundRecord, outcome: Outcome, append_ms: int, *, traced: bool) -> Event:
    """The event of one member of a request record. Raises ValueError where none can be sent."""
    trace = trace_of(record, outcome.member, append_ms) if traced else None
    message = _message(record, record.members[outcome.member.position], outcome, append_ms)
    return Event(record, outcome, message, append_ms, trace)


def _message(record: InboundRecord, told: InboundMember, outcome: Outcome, append_ms: int) -> ResultMessage:
    return result_message(told, outcome, requested_ms=append_ms, traceparent=record.traceparent, tracestate=record.tracestate)


class Delivery:
    """Sends events."""

    def __init__(self, tables: Tables, outbox: Outbox, dead_letters: DeadLetters) -> None:
        self._tables, self._outbox, self._dead_letters = tables, outbox, dead_letters

    def send(self, message: Message, event: Event) -> "asyncio.Future[Outcome | None]":
        """Send the event that this work record has decided. The future's result is what it told; None for a dead letter."""
        done: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._try(message, event, done)
        return done

    def _try(self, message: Message, event: Event, done: "asyncio.Future[Outcome | None]") -> None:
        made = event.message
        sent = self._outbox.send(made.topic, made.value, key=made.key, headers=made.headers, lasting=True)
        sent.add_done_callback(lambda sent: self._sent(message, event, sent, done))

    def _sent(
        self, message: Message, event: Event, sent: "asyncio.Future[Any]", done: "asyncio.Future[Outcome | None]"
    ) -> None:
        if sent.cancelled():
            done.cancel()
            return
        error = sent.exception()
        if error is None:
            done.set_result(event.outcome)
        elif not isinstance(error, TooLarge):
            done.set_exception(error)
        else:
            with failstop.guard("result refused for its size", message):
                self._refused(message, event, error, done)

    def _refused(self, message: Message, event: Event, error: TooLarge, done: "asyncio.Future[Outcome | None]") -> None:
        """No await in here, as in a handler."""
        if event.is_smallest:
            letter = self._dead_letters.member(
                message,
                event.outcome.member.position,
                event.request.raw,
                reason="result_too_large",
                error=str(error),
                answered=False,
            )
            _then(letter, done, lambda: done.set_result(None))
            return
        partition, offset = message.partition, message.offset
        table = self._tables.outcomes
        if table.find(partition, outcomes.key(partition, offset)) is None:
            done.cancel()  # the partition has gone to another worker, which reads the record again
            return
        smallest = event.smallest()
        put = outcomes.put_too_large(table, partition, offset, event.outcome.member)
        _then(put, done, lambda: self._try(message, smallest, done))


def _then(effect: "asyncio.Future[Any]", done: "asyncio.Future[Any]", go_on: Callable[[], None]) -> None:
    """Call `go_on` when an effect is acknowledged; when it fails or is cancelled, `done` fails or is cancelled too."""

    def acknowledged(effect: "asyncio.Future[Any]") -> None:
        if effect.cancelled():
            done.cancel()
        elif (error := effect.exception()) is not None:
            done.set_exception(error)
        else:
            go_on()

    effect.add_done_callback(acknowledged)
