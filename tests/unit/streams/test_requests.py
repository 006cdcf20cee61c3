"""Inbound records that are as they should be."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.wire.request_events import round_event, single_event
from streams.wire.requests import ROUND_EVENT, SINGLE_EVENT, InboundMember, Undecodable, read_record

EXAMPLES = Path(__file__).parents[2] / "examples"
BODY: dict[str, Any] = json.loads((EXAMPLES / "request_http_body.json").read_text())
ID = UUID(BODY["correlation_id"])
OTHER_ID = "11111111-2222-4333-8444-555555555555"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

# No lone surrogates: JSON that holds one is refused whole.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def test_the_body_that_cj_posts_today() -> None:
    record = read_record(single_event(BODY))
    (member,) = record.members
    assert (record.part, record.parts) == (1, None)
    assert (member.position, member.problem, member.correlation_id) == (0, "", ID)
    assert member.callback_topic == BODY["callback_topic"]
    assert member.metadata == BODY["metadata"]
    assert list(member.metadata) == list(BODY["metadata"])
    assert member.raw == BODY
    assert member.body is not None
    assert member.body.user_prompt == BODY["user_prompt"]
    assert member.body.llm_config_overrides.temperature_override == 0.1
    assert [block.cacheable for block in member.body.prompt_blocks or ()] == [True, False, False, True]


def test_prompt_sha256_is_that_of_the_existing_service() -> None:
    event = json.loads((EXAMPLES / "success_event.json").read_text())
    (member,) = read_record(single_event(BODY)).members
    assert member.prompt_sha256 == event["data"]["request_metadata"]["prompt_sha256"]


def test_prompt_sha256_without_blocks_is_that_of_the_prompt() -> None:
    body = {**BODY, "prompt_blocks": None, "user_prompt": "Jämför."}
    (member,) = read_record(single_event(body)).members
    assert member.prompt_sha256 == hashlib.sha256("Jämför.".encode()).hexdigest()


def test_blocks_that_do_not_add_up_are_no_problem() -> None:
    (member,) = read_record(single_event({**BODY, "user_prompt": "another prompt"})).members
    assert member.problem == ""


def test_content_hash_is_of_the_member_alone() -> None:
    shuffled = dict(reversed(BODY.items()))
    alone = read_record(single_event(BODY)).members[0]
    again = read_record(single_event(shuffled, traceparent=PARENT)).members[0]
    grouped = read_record(round_event([{**BODY, "correlation_id": OTHER_ID}, shuffled], 2, 3)).members[1]
    assert alone.content_sha256 == again.content_sha256 == grouped.content_sha256
    changed = read_record(single_event({**BODY, "user_id": "teacher"})).members[0]
    assert changed.content_sha256 != alone.content_sha256


def test_a_round_keeps_its_order_and_parts() -> None:
    record = read_record(round_event([BODY, {**BODY, "correlation_id": OTHER_ID}], 2, 3))
    assert (record.part, record.parts) == (2, 3)
    assert [(member.position, str(member.correlation_id)) for member in record.members] == [(0, str(ID)), (1, OTHER_ID)]
    assert [member.problem for member in record.members] == ["", ""]


def test_a_round_without_parts_is_whole() -> None:
    record = read_record(envelope({"comparisons": [BODY]}, event_type=ROUND_EVENT))
    assert (record.part, record.parts) == (1, 1)


@pytest.mark.parametrize(("part", "parts"), [(0, 1), (1, 1), (0, 10_000), (10_000, 10_000)])
def test_parts_may_count_from_nought_or_one(part: int, parts: int) -> None:
    record = read_record(round_event([BODY], part, parts))
    assert (record.part, record.parts, record.members[0].problem) == (part, parts, "")


def test_trace_context_comes_from_the_envelope() -> None:
    record = read_record(envelope(BODY, metadata={"traceparent": PARENT, "tracestate": "vendor=1"}))
    assert (record.traceparent, record.tracestate) == (PARENT, "vendor=1")


@pytest.mark.parametrize("metadata", [None, [], {"traceparent": "yes"}, {"traceparent": 1}, {"tracestate": "vendor=1"}])
def test_malformed_trace_context_is_dropped(metadata: object) -> None:
    record = read_record(envelope(BODY, metadata=metadata))
    assert (record.traceparent, record.tracestate) == (None, None)
    assert record.members[0].problem == ""


def test_odd_envelope_fields_do_no_harm() -> None:
    record = read_record(envelope(BODY, event_id="none", event_timestamp="yesterday", source_service=7, correlation_id=[]))
    assert record.members[0].problem == ""
    assert record.members[0].correlation_id == ID


def test_what_may_be_left_out() -> None:
    bare = {name: BODY[name] for name in ("user_prompt", "callback_topic", "correlation_id")}
    (member,) = read_record(single_event(bare)).members
    assert (member.problem, member.metadata) == ("", {})
    assert member.body is not None
    assert member.body.llm_config_overrides.model_override is None


@given(metadata=st.dictionaries(TEXT, JSON, max_size=6), extra=JSON)
@settings(max_examples=200, deadline=None)
def test_any_metadata_and_unknown_fields_pass_verbatim(metadata: dict[str, Any], extra: Any) -> None:
    body = {**BODY, "metadata": metadata, "from_a_newer_producer": extra}
    (member,) = read_record(single_event(body)).members
    assert member.problem == ""
    assert json.dumps(member.metadata) == json.dumps(metadata)
    assert member.body is not None
    assert member.body.metadata == metadata


@given(value=JSON, event_type=st.sampled_from([SINGLE_EVENT, ROUND_EVENT, "Other", None]))
@settings(max_examples=300, deadline=None)
def test_nothing_but_undecodable_is_raised(value: Any, event_type: str | None) -> None:
    data = {"comparisons": [value, BODY], "part": value} if event_type == ROUND_EVENT else value
    members: tuple[InboundMember, ...] = ()
    with contextlib.suppress(Undecodable):
        members = read_record(envelope(data, event_type=event_type, schema_version=value, metadata=value)).members
    assert all((member.body is None) == bool(member.problem) for member in members)


@given(raw=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    with pytest.raises(Undecodable):
        read_record(raw)


def envelope(data: object, **fields: object) -> bytes:
    """Write an envelope around any data; a field given as an argument replaces the right one."""
    right = {"event_type": SINGLE_EVENT, "source_service": "cj_assessment_service", "schema_version": 1}
    return json.dumps({**right, "data": data, **fields}).encode()
