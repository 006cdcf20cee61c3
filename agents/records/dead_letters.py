"""Dead letters: what could not be worked on goes to `<topic>.DLQ`, with the reason, its origin and whether it was answered."""

import asyncio
import json
from typing import Any

import structlog
from faust.types import Message

from agents.metrics.counters import Metrics
from settings.settings import Settings
from streams.clock import Clock
from streams.kafka.outbox import Outbox

log = structlog.get_logger("dead_letters")


class DeadLetters:
    """Writes dead letters; each method returns the future of its send."""

    def __init__(self, settings: Settings, outbox: Outbox, metrics: Metrics, clock: Clock) -> None:
        self._settings, self._outbox, self._metrics, self._clock = settings, outbox, metrics, clock

    def record(self, message: Message, *, reason: str, error: str, answered: bool = False) -> "asyncio.Future[Any]":
        """Send a whole record as it came. `reason` is a short word for the metric, `error` a sentence without the content."""
        return self._send(message, message.value, reason=reason, error=error, answered=answered)

    def member(
        self,
        message: Message,
        position: int,
        raw: object,
        *,
        reason: str,
        error: str,
        answered: bool,
        round_key: str | None = None,
    ) -> "asyncio.Future[Any]":
        """Send one member of a record, with its position."""
        value = json.dumps({"position": position, "comparison": raw}).encode()
        return self._send(message, value, reason=reason, error=error, answered=answered, position=position, round_key=round_key)

    def _send(
        self,
        message: Message,
        value: bytes | None,
        *,
        reason: str,
        error: str,
        answered: bool,
        position: int | None = None,
        round_key: str | None = None,
    ) -> "asyncio.Future[Any]":
        headers = [
            ("source_topic", message.topic.encode()),
            ("source_partition", str(message.partition).encode()),
            ("source_offset", str(message.offset).encode()),
            ("reason", reason.encode()),
            ("error", error.encode()),
            ("time_ms", str(self._clock.now_ms()).encode()),
            ("answered", b"true" if answered else b"false"),
        ]
        if position is not None:
            headers.append(("position", str(position).encode()))
        if value is None and message.key is None:
            value = b""  # Kafka's client refuses a record with neither key nor value
        sent = self._outbox.send(self._settings.dlq_topic(message.topic), value, key=message.key, headers=headers)
        sent.add_done_callback(lambda _: self._metrics.dead_letter(answered=answered, reason=reason))
        log.warning(
            "dead_letter",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            position=position,
            round=round_key,
            reason=reason,
            error=error,
            answered=answered,
        )
        return sent
