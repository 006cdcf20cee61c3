"""Comparisons as CJ posts them today, gathered by round and cut into records that Kafka takes."""

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

Body = dict[str, Any]

EVENT_TYPE = "LLMComparisonRoundRequestedV1"
SOURCE_SERVICE = "cj_assessment_service"
#: The worker takes records of at most 1 MiB, and a broker's default limit (1,048,588 bytes) counts key, headers and
#: framing too: 16 KiB are left for those.
RECORD_BYTES = 1_048_576 - 16_384
#: What a record holds besides its comparisons: the envelope is about 420 bytes.
ENVELOPE_BYTES = 1_024
BODY_BYTES = RECORD_BYTES - ENVELOPE_BYTES

_NAMESPACE = uuid.UUID("5f6d2c1e-0b1f-5a67-9a0b-6f1d6e1c7a54")


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

    Refused is only what the worker could not answer by an event either: what is no JSON object, has no
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

    A round is (cj_batch_id, comparison_iteration or 0); without cj_batch_id that of bos_batch_id; a body with
    neither is a round of its own. Record key: that batch id, else the correlation id, so that all rounds of a
    batch share a partition, inside which the worker compares ids.

    Errors: ValueError for a body above BODY_BYTES.
    """
    rounds: dict[tuple[str, str], list[Body]] = {}
    for body in bodies:
        rounds.setdefault(_round_of(body), []).append(body)
    return [record for (key, _), members in rounds.items() for record in _cut(key, members, now)]


def _body(line: bytes) -> Body:
    try:
        body = json.loads(line.decode("utf-8-sig"), parse_constant=_refuse_constant)
        size = len(_encode(body))
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
    if size > BODY_BYTES:
        raise ValueError(f"{size:,} bytes; at most {BODY_BYTES:,} fit into a record: shorten the essays")
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name} is no number there")


def _round_of(body: Body) -> tuple[str, str]:
    metadata = body.get("metadata")
    hints: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    for field in ("cj_batch_id", "bos_batch_id"):
        if hints.get(field) not in (None, ""):
            return str(hints[field]), f"{field} {hints.get('comparison_iteration') or 0}"
    return str(body["correlation_id"]), "alone"


def _cut(key: str, members: Sequence[Body], now: dt.datetime) -> list[RoundRecord]:
    parts: list[list[bytes]] = []
    room = -1
    for body in members:
        encoded = _encode(body)
        if len(encoded) > BODY_BYTES:
            raise ValueError(
                f"comparison {body.get('correlation_id')} has {len(encoded):,} bytes; "
                f"at most {BODY_BYTES:,} fit into a record: shorten the essays"
            )
        if len(encoded) + 1 > room:
            parts.append([])
            room = BODY_BYTES + 1
        parts[-1].append(encoded)
        room -= len(encoded) + 1
    return [
        RoundRecord(
            key=key.encode(),
            value=_envelope(part, number, len(parts), now),
            comparisons=len(part),
            part=number,
            parts=len(parts),
        )
        for number, part in enumerate(parts, start=1)
    ]


def _envelope(comparisons: Sequence[bytes], part: int, parts: int, now: dt.datetime) -> bytes:
    """Join bodies that are encoded already: sizes stay exact, and no body is encoded twice."""
    data = b'{"comparisons":[' + b",".join(comparisons) + b'],"part":%d,"parts":%d}' % (part, parts)
    event_id = uuid.uuid5(_NAMESPACE, data.hex())
    head = {
        "event_id": str(event_id),
        "event_type": EVENT_TYPE,
        "event_timestamp": now.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "source_service": SOURCE_SERVICE,
        "schema_version": 1,
        "correlation_id": str(event_id),
        "data_schema_uri": None,
    }
    return _encode(head)[:-1] + b',"data":' + data + b',"metadata":null}'


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
