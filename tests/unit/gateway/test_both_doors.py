"""The same bodies through both doors: as a record of the request topic, and as a post, which becomes a record."""

import json
import uuid
from datetime import datetime

import pytest

from gateway import bodies
from gateway.bodies import Refused
from streams.wire.request_events import record_key, single_event, spliced_event
from streams.wire.requests import InboundMember, Undecodable, read_record
from tests.harness.door_cases import ALLOWED, CASES, Case, Reads, body, dumped

JSON = {"content-type": "application/json"}


def reads(member: InboundMember | None) -> Reads:
    """What the worker makes of it (agents.planning judges the topic)."""
    if member is None or member.correlation_id is None or member.callback_topic not in ALLOWED:
        return "nobody"
    return "error" if member.problem else "asked"


def member_of(record: bytes) -> InboundMember | None:
    try:
        (member,) = read_record(record).members
    except Undecodable:
        return None
    return member


@pytest.mark.parametrize("case", [case for case in CASES if not case.spills], ids=lambda case: case.name)
def test_what_the_worker_makes_of_it_in_a_record(case: Case) -> None:
    assert reads(member_of(spliced_event(case.body, uuid.uuid4(), source_service="t"))) == case.reads


@pytest.mark.parametrize("case", [case for case in CASES if case.status == 202], ids=lambda case: case.name)
def test_a_post_that_is_taken_becomes_a_record_of_the_same_content(case: Case) -> None:
    made = bodies.read(case.body, JSON, ALLOWED)
    member = member_of(made.value)
    assert member is not None
    assert member.correlation_id == made.correlation_id
    if case.makes_id:
        assert reads(member) == "asked"
        assert member.raw == {**dict(member.raw), "correlation_id": str(made.correlation_id)}
        return
    assert reads(member) == case.reads
    assert case.body.strip() in made.value
    straight = member_of(spliced_event(case.body, uuid.uuid4(), source_service="t"))
    assert straight is not None
    assert member.content_sha256 == straight.content_sha256 != ""
    assert made.key == record_key(member.raw)


@pytest.mark.parametrize("case", [case for case in CASES if case.status == 400], ids=lambda case: case.name)
def test_a_post_that_is_refused_is_told_why(case: Case) -> None:
    with pytest.raises(Refused) as refused:
        bodies.read(case.body, JSON, ALLOWED)
    assert refused.value.status == 400
    assert refused.value.answer["error"].startswith(case.error)


def test_nobody_is_promised_an_event_that_cannot_come() -> None:
    assert [case.name for case in CASES if case.reads == "nobody" and case.status == 202] == []
    assert len({case.name + case.error for case in CASES}) == len(CASES)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_content_type_is_no_json(kind: str) -> None:
    with pytest.raises(Refused, match="No JSON data provided"):
        bodies.read(dumped(body()), {"content-type": kind}, ALLOWED)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.cj+json"])
def test_json_may_be_named_otherwise(kind: str) -> None:
    fields = body()
    made = bodies.read(dumped(fields), {"content-type": kind}, ALLOWED)
    assert str(made.correlation_id) == fields["correlation_id"]


def test_the_trace_of_a_post_is_the_records() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    made = bodies.read(dumped(body()), {**JSON, "traceparent": parent, "tracestate": 'a="{}"'}, ALLOWED)
    record = read_record(made.value)
    assert (record.traceparent, record.tracestate) == (parent, 'a="{}"')
    made = bodies.read(dumped(body()), {**JSON, "traceparent": 'x", "data": {}'}, ALLOWED)
    assert read_record(made.value).traceparent is None


def test_the_envelope_is_that_of_a_producer() -> None:
    """All but its id, its time and its source."""
    fields, parent = body(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    made = bodies.read(dumped(fields), {**JSON, "traceparent": parent}, ALLOWED)
    own = json.loads(made.value)
    assert own["event_timestamp"].endswith("Z")
    assert made.value == single_event(
        fields,
        event_id=uuid.UUID(own["event_id"]),
        event_timestamp=datetime.fromisoformat(own["event_timestamp"]),
        source_service=bodies.SOURCE_SERVICE,
        traceparent=parent,
    )


def test_a_refusal_quotes_no_prompt() -> None:
    for case in CASES:
        if case.status == 400:
            with pytest.raises(Refused) as refused:
                bodies.read(case.body, JSON, ALLOWED)
            assert "Essay" not in str(refused.value.answer)
