"""Comparisons as CJ posts them today, gathered by round and cut into records that Kafka takes."""

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from streams.wire import request_events

Body = dict[str, Any]

#: The worker takes records of at most 1 MiB, and a broker's default limit (1,048,588 bytes) counts key, headers and
#: framing too: 16 KiB are left for those.
RECORD_BYTES = 1_048_576 - 16_384
#: What a record holds besides its comparisons: the envelope is about 420 bytes.
ENVELOPE_BYTES = 1_024
BODY_BYTES = RECORD_BYTES - ENVELOPE_BYTES


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that cannot become a comparison: its number, counted from 1, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One Kafka record: a round, or a part of one (`part` counts from 1)."""

    key: bytes
    value: bytes
    comparisons: int
    part: int
    parts: int


def read_lines(lines: Iterable[bytes]) -> tuple[list[Body], list[RejectedLine]]:
    """Read one body a line; blank lines are passed over.

    A line is refused only if the worker could not answer it by an event either: it is no JSON object, has no
    correlation id, or is too large for a record. A body with another fault is sent, and ends in an error event.
    """
    bodies: list[Body] = []
    rejected: list[RejectedLine] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            bodies.append(_body(line))
        except ValueError as refusal:
            rejected.append(RejectedLine(number, str(refusal)))
    return bodies, rejected


def records(bodies: Sequence[Body], now: dt.datetime) -> list[RoundRecord]:
    """Gather bodies by round, in order of first appearance, and cut each round into records below RECORD_BYTES.

    A round is (cj_batch_id, comparison_iteration or 0); without cj_batch_id, bos_batch_id takes its place; a body
    with neither is a round of its own. The record key is that same id, or without any the correlation id, so that
    all rounds of a cj_batch share a partition, inside which the worker compares ids.

    Errors: ValueError for a body above BODY_BYTES.
    """
    rounds: dict[tuple[str, str], list[Body]] = {}
    for body in bodies:
        rounds.setdefault(_round_of(body), []).append(body)
    return [record for (key, _), members in rounds.items() for record in _cut(key, members, now)]


def _body(line: bytes) -> Body:
    try:
        body = json.loads(line.decode("utf-8-sig"), parse_constant=_refuse_constant)
        # JSON lets half a surrogate pair pass, which is no text, and 1e999, which is no number: each would spoil the record.
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError("not JSON: nested too deeply") from error
    except UnicodeError as error:
        raise ValueError(f"not UTF-8 text: {error}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ValueError(f"not a JSON object but a {type(body).__name__}")
    try:
        uuid.UUID(body["correlation_id"])
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"correlation_id is no UUID: {body.get('correlation_id')!r}") from error
    if _size(body) > BODY_BYTES:
        raise ValueError(_too_large(_size(body)))
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name} is no number there")


def _round_of(body: Body) -> tuple[str, str]:
    batch = request_events.batch_of(body)
    if batch is None:
        return str(body["correlation_id"]), "alone"
    field, name = batch
    return name, f"{field} {body['metadata'].get('comparison_iteration') or 0}"


def _cut(key: str, members: Sequence[Body], now: dt.datetime) -> list[RoundRecord]:
    parts: list[list[Body]] = []
    room = 0
    for body in members:
        size = _size(body)
        if size > BODY_BYTES:
            raise ValueError(f"comparison {body.get('correlation_id')}: {_too_large(size)}")
        if size > room:
            parts.append([])
            room = BODY_BYTES
        parts[-1].append(body)
        room -= size
    return [
        RoundRecord(
            key=key.encode(),
            value=request_events.round_event(part, number, len(parts), event_timestamp=now),
            comparisons=len(part),
            part=number,
            parts=len(parts),
        )
        for number, part in enumerate(parts, start=1)
    ]


def _too_large(size: int) -> str:
    return f"{size:,} bytes; at most {BODY_BYTES:,} fit into a record: shorten the essays"


def _size(body: object) -> int:
    """Bytes of a body inside a record: ASCII-escaped, with json.dumps' separators, and the separator to the next body."""
    return len(json.dumps(body)) + len(", ")
