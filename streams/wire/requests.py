"""Inbound records: one comparison, or a whole round of them, read without failing on bad content.

A bad member of a good record must end alone, in an error event of its own. So what is wrong with it is a value
(`InboundMember.problem`) and no exception. Only a record in which nothing can be answered raises Undecodable.
"""

import hashlib
import json
import re
import sys
from typing import Any
from uuid import UUID

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import from_json

from domain.comparison import BLOCK_JOINT
from streams.wire.comparison_body import MAX_TOPIC, ComparisonBody, describe, shown
from streams.wire.plain_body import PlainBody, plain_body, plain_content

SINGLE_EVENT = "LLMComparisonRequestedV1"
ROUND_EVENT = "LLMComparisonRoundRequestedV1"
SCHEMA_VERSION = 1

MAX_RECORD_BYTES = 1_048_576
ANY_PROMPT = sys.maxsize
MAX_MEMBERS = 10_000
MAX_PARTS = 10_000
# Bytes of a member's metadata as the result will carry it (ASCII-escaped, up to three times its UTF-8). The result repeats all
# of it, and a topic takes 1 MB by a broker's default: with more metadata than this no event could answer the request.
MAX_METADATA_BYTES = 500_000
MAX_TRACESTATE = 512  # characters: W3C Trace Context asks that at least so many be propagated

# What is kept of metadata that is too large to be repeated: without essay ids the consumer cannot place even an error event.
_KEPT_KEYS = ("essay_a_id", "essay_b_id", "bos_batch_id", "cj_batch_id")
_MAX_KEPT = 200
_INT64 = 1 << 63
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_STRICT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_LAX = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Undecodable(ValueError):
    """Nothing in the record can be answered; the message says why, without quoting the record."""


Body = PlainBody | ComparisonBody


class InboundMember(Struct, frozen=True, gc=False):
    """One comparison of a record, with its checked body or its problem, never both.

    `metadata` is the caller's, to be repeated verbatim ({} where there is none). `content_sha256` is a hex digest of the
    member's own JSON with sorted keys: the same body hashes the same alone and in a round ("" where it was read `judged`).
    """

    position: int
    correlation_id: UUID | None
    callback_topic: str | None
    metadata: dict[str, Any]
    body: Body | None
    problem: str
    content_sha256: str
    raw: Any

    def __repr__(self) -> str:
        """Which one it is, without what students wrote."""
        return f"InboundMember({self.position}, {self.correlation_id})"

    @property
    def prompt_sha256(self) -> str:
        """Of the blocks' contents joined with a blank line; without blocks of user_prompt; without either of no bytes."""
        fields = self.raw if isinstance(self.raw, dict) else {}
        return hashlib.sha256(_prompt(fields).encode()).hexdigest()


class InboundRecord(Struct, frozen=True, gc=False):
    """The comparisons of one record. `parts` is None for the single event, whose round has no end-of-round marker."""

    members: tuple[InboundMember, ...]
    part: int = 1
    parts: int | None = None
    traceparent: str | None = None
    tracestate: str | None = None


def read_record(raw: bytes | None, *, max_prompt_bytes: int = ANY_PROMPT, judged: bool = False) -> InboundRecord:
    """Read the bytes of one inbound record.

    `max_prompt_bytes`: a longer prompt is bad input. It is given by whoever decides whether a comparison is accepted; who reads
    the record again leaves it out, for a setting that was lowered since must not lose an accepted comparison.
    `judged`: collect has accepted or rejected its members before. Then their content is not hashed, and not searched for
    numbers that cannot be stored, which halves the time; everything else is the same.

    Raises Undecodable, and nothing else, where no comparison can be found or the only one has no correlation id.
    """
    envelope = _envelope(raw)
    event_type, data = envelope.get("event_type"), envelope.get("data")
    if not isinstance(data, dict):
        raise Undecodable(f"data is {shown(data)}, not a JSON object: put the comparison or the round there")
    problem = _envelope_problem(envelope)
    traceparent, tracestate = trace_context(envelope.get("metadata"))
    if event_type == ROUND_EVENT or (event_type != SINGLE_EVENT and isinstance(data.get("comparisons"), list)):
        part, parts, members = _round(data, problem, max_prompt_bytes, judged)
        return InboundRecord(members, part, parts, traceparent, tracestate)
    member = _member(0, data, problem, max_prompt_bytes, judged, fallback=read_uuid(envelope.get("correlation_id")))
    if member.correlation_id is None:
        raise Undecodable("no correlation id can be read, in data or in the envelope: send a UUID, one per comparison")
    return InboundRecord((member,), traceparent=traceparent, tracestate=tracestate)


def _envelope(raw: bytes | None) -> dict[str, Any]:
    if raw is None:
        raise Undecodable("the record has no value: a tombstone requests nothing")
    if len(raw) > MAX_RECORD_BYTES:
        raise Undecodable(f"the record has {len(raw):,} bytes, at most {MAX_RECORD_BYTES:,}: send the round in parts")
    try:
        # Unlike json.loads, from_json refuses NaN, lone surrogates and deep nesting: what it reads can be written again.
        envelope = from_json(raw, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Undecodable(f"not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise Undecodable(f"the value is {shown(envelope)}, not a JSON object: send an event envelope")
    return envelope


def _envelope_problem(envelope: dict[str, Any]) -> str:
    event_type, version = envelope.get("event_type"), envelope.get("schema_version", SCHEMA_VERSION)
    if event_type not in (SINGLE_EVENT, ROUND_EVENT):
        return f"event_type {shown(event_type)} is unknown: send {SINGLE_EVENT} or {ROUND_EVENT}"
    if type(version) is not int or version != SCHEMA_VERSION:
        return f"schema_version {shown(version)} is unknown: send {SCHEMA_VERSION}"
    return ""


def _round(
    data: dict[str, Any], problem: str, max_prompt_bytes: int, judged: bool
) -> tuple[int, int, tuple[InboundMember, ...]]:
    comparisons = data.get("comparisons")
    if not isinstance(comparisons, list):
        raise Undecodable(f"data.comparisons is {shown(comparisons)}, not a list")
    if not comparisons:
        raise Undecodable("data.comparisons is empty: a round has at least one comparison")
    part, parts = data.get("part", 1), data.get("parts", 1)
    whole = type(part) is int and type(parts) is int and 1 <= parts <= MAX_PARTS and 0 <= part <= parts
    if not problem and not whole:
        problem = f"part {shown(part)} of {shown(parts)}: parts must be 1 to {MAX_PARTS:,}, part 0 to parts"
    if not problem and len(comparisons) > MAX_MEMBERS:
        problem = f"the record has {len(comparisons):,} comparisons, at most {MAX_MEMBERS:,}: send the round in parts"
    members = tuple(_member(place, raw, problem, max_prompt_bytes, judged) for place, raw in enumerate(comparisons))
    return (part, parts, members) if whole else (1, 1, members)


def _member(
    position: int, raw: Any, problem: str, max_prompt_bytes: int, judged: bool, fallback: UUID | None = None
) -> InboundMember:
    plain = plain_body(raw)
    content, finite = (b"", True) if judged else _content(raw, plain)
    fields = raw if isinstance(raw, dict) else {}
    metadata = fields.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    # Where the whole member is small enough and its numbers are finite, so is its metadata: it need not be looked at by itself.
    if not finite or len(content) > MAX_METADATA_BYTES or (judged and not _plainly_repeatable(metadata)):
        metadata, refused = _repeatable(metadata)
        problem = problem or refused
    body: Body | None = None
    if not problem and not finite:
        problem = "a number in it is beyond the range of a double, so it cannot be stored: send a finite one"
    if not problem:
        body, problem = _body(raw, plain, max_prompt_bytes)
    topic = fields.get("callback_topic")
    return InboundMember(
        position=position,
        correlation_id=body.correlation_id if body else read_uuid(fields.get("correlation_id")) or fallback,
        callback_topic=topic if isinstance(topic, str) and 0 < len(topic) <= MAX_TOPIC else None,
        metadata=metadata,
        body=body,
        problem=problem,
        content_sha256="" if judged else hashlib.sha256(content).hexdigest(),
        raw=raw,
    )


def _body(raw: Any, plain: PlainBody | None, max_prompt_bytes: int) -> tuple[Body | None, str]:
    body: Body | None = plain
    if body is None:
        try:
            body = ComparisonBody.model_validate(raw)
        except ValidationError as error:
            return None, describe(error)
    # A character has at most four bytes: a short prompt need not be encoded to be measured.
    if len(body.user_prompt) * 4 > max_prompt_bytes:
        size = len(body.user_prompt.encode())
        if size > max_prompt_bytes:
            return None, f"user_prompt: {size:,} bytes of UTF-8, at most {max_prompt_bytes:,}: shorten the essays"
    return body, ""


def _content(raw: Any, plain: PlainBody | None) -> tuple[bytes, bool]:
    content = plain_content(raw, plain) if plain is not None else None
    return _canonical(raw) if content is None else (content, True)


def _canonical(raw: Any) -> tuple[bytes, bool]:
    """Return the value's JSON with sorted keys, and whether all its numbers are finite (1e999 is read as infinity)."""
    try:
        return _STRICT.encode(raw).encode(), True
    except ValueError:
        return _LAX.encode(raw).encode(), False


def _plainly_repeatable(metadata: dict[str, Any]) -> bool:
    """Whether a quick look is enough to know that an event can carry it: only plain values, far below the limit."""
    characters = 0
    for key, value in metadata.items():
        characters += len(key)
        if type(value) is str:
            characters += len(value)
        elif value is not None and type(value) is not bool and not (type(value) is int and -_INT64 < value < _INT64):
            return False
    # A character takes at most 12 bytes (a pair of JSON escapes), a number 20.
    return characters * 12 + len(metadata) * 32 <= MAX_METADATA_BYTES


def _repeatable(metadata: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return metadata that an event can carry, and what is wrong with the one given."""
    content, finite = _canonical(metadata)
    if finite and len(content) <= MAX_METADATA_BYTES:
        return metadata, ""
    kept = {key: value for key in _KEPT_KEYS if isinstance(value := metadata.get(key), str) and len(value) <= _MAX_KEPT}
    if not finite:
        return kept, "metadata: a number in it is beyond the range of a double, so it cannot be repeated: send a finite one"
    return kept, f"metadata: {len(content):,} bytes as ASCII JSON, at most {MAX_METADATA_BYTES:,}: the result repeats them all"


def _prompt(fields: dict[str, Any]) -> str:
    blocks = fields.get("prompt_blocks")
    if isinstance(blocks, list) and blocks:
        contents = [block.get("content") for block in blocks if isinstance(block, dict)]
        texts = [content for content in contents if isinstance(content, str)]
        if len(texts) == len(blocks):
            return BLOCK_JOINT.join(texts)
    prompt = fields.get("user_prompt")
    return prompt if isinstance(prompt, str) else ""


def read_uuid(value: object) -> UUID | None:
    """A correlation id as the worker reads it, in any of a UUID's spellings; None for anything else."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def trace_context(metadata: object) -> tuple[str | None, str | None]:
    """Return W3C traceparent and tracestate. A malformed one is dropped, for it would break the trace of whoever reads it."""
    if not isinstance(metadata, dict):
        return None, None
    parent, state = metadata.get("traceparent"), metadata.get("tracestate")
    if not isinstance(parent, str) or not _TRACEPARENT.fullmatch(parent):
        return None, None
    return parent, state if isinstance(state, str) and 0 < len(state) <= MAX_TRACESTATE else None
