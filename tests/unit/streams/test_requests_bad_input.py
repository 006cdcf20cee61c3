"""Inbound records with something wrong in them: what can be answered is, and siblings go on."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from streams.wire.request_events import round_event, single_event
from streams.wire.requests import MAX_METADATA_BYTES, ROUND_EVENT, SINGLE_EVENT, InboundMember, Undecodable, read_record

EXAMPLES = Path(__file__).parents[2] / "examples"
BODY: dict[str, Any] = json.loads((EXAMPLES / "request_http_body.json").read_text())
ID = UUID(BODY["correlation_id"])
SECRET = "the essay's own words"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "tombstone"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"data": NaN}', "not JSON"),
        (b'{"data": "\\ud800"}', "not JSON"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "not JSON"),
        (b'{"data": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "data is None"),
        (b'{"data": "x"}', "not a JSON object"),
        (b" " * 1_048_577, "1,048,577 bytes, at most 1,048,576"),
        (b'{"event_type": "LLMComparisonRequestedV1", "data": {}}', "no correlation id"),
        (b'{"event_type": "LLMComparisonRoundRequestedV1", "data": {}}', "data.comparisons is None"),
        (b'{"event_type": "LLMComparisonRoundRequestedV1", "data": {"comparisons": {}}}', "is a dict, not a list"),
        (b'{"event_type": "LLMComparisonRoundRequestedV1", "data": {"comparisons": []}}', "is empty"),
        (b'{"event_type": "Other", "data": {}}', "no correlation id"),
    ],
)
def test_records_without_anything_to_answer(raw: bytes | None, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        read_record(raw)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"user_prompt": ""}, "user_prompt: is empty"),
        ({"user_prompt": " \n\t"}, "user_prompt: is empty"),
        ({"user_prompt": 5}, "user_prompt: "),
        ({"user_prompt": "x" * 400_001}, "user_prompt: 400,001 bytes of UTF-8, at most 400,000"),
        ({"callback_topic": ""}, "callback_topic: "),
        ({"callback_topic": "t" * 250}, "callback_topic: "),
        ({"callback_topic": None}, "callback_topic: "),
        ({"correlation_id": "not-a-uuid"}, "correlation_id: "),
        ({"metadata": []}, "metadata: "),
        ({"metadata": None}, "metadata: "),
        ({"user_id": 5}, "user_id: "),
        ({"prompt_blocks": "x"}, "prompt_blocks: "),
        ({"prompt_blocks": [{"target": "system", "content": "x"}]}, "prompt_blocks.0.target: "),
        ({"prompt_blocks": [{"content": "x", "ttl": "9m"}]}, "prompt_blocks.0.ttl: "),
        ({"prompt_blocks": [{"ttl": "5m"}]}, "prompt_blocks.0.content: "),
        ({"llm_config_overrides": []}, "llm_config_overrides: "),
        ({"llm_config_overrides": {"temperature_override": 2.1}}, "less than or equal to 2, not 2.1"),
        ({"llm_config_overrides": {"temperature_override": "nan"}}, "temperature_override: "),
        ({"llm_config_overrides": {"max_tokens_override": 0}}, "greater than 0, not 0"),
        ({"llm_config_overrides": {"reasoning_effort": "huge"}}, "'none', 'low', 'medium' or 'high', not 'huge'"),
        ({"llm_config_overrides": {"output_verbosity": "none"}}, "output_verbosity: "),
        ({"llm_config_overrides": {"model_override": "m" * 257}}, "model_override: "),
        ({"llm_config_overrides": {"model_override": "m\0"}}, "model_override: has a control character: send a plain name"),
    ],
)
def test_a_bad_field_is_named_with_its_limit(change: dict[str, Any], problem: str) -> None:
    good = {**BODY, "correlation_id": "11111111-2222-4333-8444-555555555555"}
    bad, sibling = read_record(round_event([{**BODY, **change}, good]), max_prompt_bytes=400_000).members
    assert problem in bad.problem
    assert bad.body is None
    assert (sibling.problem, sibling.body is None) == ("", False)


def test_any_provider_name_is_the_workers_to_judge() -> None:
    assert read_one({**BODY, "llm_config_overrides": {"provider_override": "nobody"}}).problem == ""


@pytest.mark.parametrize(
    "change",
    [
        {"user_prompt": [SECRET]},
        {"user_id": {"x": SECRET}},
        {"prompt_blocks": [{"content": [SECRET]}, {"content": SECRET, "ttl": 1}, {"content": SECRET, "target": 1}]},
        {"llm_config_overrides": {"system_prompt_override": [SECRET]}},
        {"metadata": [SECRET]},
        {"callback_topic": [SECRET]},
    ],
)
def test_a_problem_quotes_no_text(change: dict[str, Any]) -> None:
    member = read_one({**BODY, **change})
    assert member.problem
    assert SECRET not in member.problem


def test_a_problem_stays_short() -> None:
    member = read_one({**BODY, "prompt_blocks": [{"content": 1, "ttl": "x" * 150}] * 5000})
    assert len(member.problem) < 600
    assert member.problem.endswith("; and 9997 more")


@pytest.mark.parametrize("raw", [None, 1, "text", [], True])
def test_a_member_that_is_no_object(raw: object) -> None:
    member, sibling = read_record(event(ROUND_EVENT, {"comparisons": [raw, BODY]})).members
    assert (member.correlation_id, member.callback_topic, member.metadata) == (None, None, {})
    assert member.problem
    assert sibling.problem == ""


def test_an_invalid_body_can_still_be_answered() -> None:
    member = read_one({**BODY, "user_prompt": ""})
    assert (member.correlation_id, member.callback_topic) == (ID, BODY["callback_topic"])
    assert member.metadata == BODY["metadata"]


def test_a_single_body_without_an_id_is_answered_under_the_envelopes() -> None:
    body = {name: value for name, value in BODY.items() if name != "correlation_id"}
    (member,) = read_record(event(SINGLE_EVENT, body, correlation_id=str(ID))).members
    assert member.correlation_id == ID
    assert member.problem == "correlation_id: Field required"


def test_members_of_a_round_never_take_the_envelopes_id() -> None:
    body = {name: value for name, value in BODY.items() if name != "correlation_id"}
    (member,) = read_record(event(ROUND_EVENT, {"comparisons": [body]}, correlation_id=str(ID))).members
    assert member.correlation_id is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"event_type": "LLMComparisonRequestedV2"}, "event_type 'LLMComparisonRequestedV2' is unknown"),
        ({"event_type": None}, "event_type None is unknown"),
        ({"event_type": {"a": 1}}, "event_type a dict is unknown"),
        ({"schema_version": 2}, "schema_version 2 is unknown"),
        ({"schema_version": "1"}, "schema_version '1' is unknown"),
        ({"schema_version": True}, "schema_version True is unknown"),
        ({"schema_version": 1.0}, "schema_version 1.0 is unknown"),
    ],
)
def test_unknown_kinds_of_event_are_answered(fields: dict[str, Any], problem: str) -> None:
    singles = read_record(event(SINGLE_EVENT, BODY, **fields)).members
    members = read_record(event(ROUND_EVENT, {"comparisons": [BODY, BODY]}, **fields)).members
    for member in (*singles, *members):
        assert member.problem.startswith(problem)
        assert (member.correlation_id, member.body, member.metadata) == (ID, None, BODY["metadata"])
    assert len(members) == 2


@pytest.mark.parametrize(("part", "parts"), [(2, 1), (-1, 1), (0, 0), (1, 10_001), ("1", 1), (1, None), (True, 1), (1.0, 1)])
def test_parts_that_make_no_sense(part: Any, parts: Any) -> None:
    record = read_record(event(ROUND_EVENT, {"comparisons": [BODY], "part": part, "parts": parts}))
    assert (record.part, record.parts) == (1, 1)
    assert "parts must be 1 to 10,000, part 0 to parts" in record.members[0].problem


def test_a_round_of_too_many() -> None:
    record = read_record(event(ROUND_EVENT, {"comparisons": [{"correlation_id": str(ID)}] * 10_001}))
    assert len(record.members) == 10_001
    assert {member.problem for member in record.members} == {
        "the record has 10,001 comparisons, at most 10,000: send the round in parts"
    }


def test_metadata_too_large_to_repeat_is_refused_and_the_essays_still_named() -> None:
    member = read_one({**BODY, "metadata": {**BODY["metadata"], "notes": "å" * (MAX_METADATA_BYTES // 6)}})
    assert member.problem.startswith("metadata: 500,")
    assert member.metadata == {
        name: BODY["metadata"][name] for name in ("essay_a_id", "essay_b_id", "bos_batch_id", "cj_batch_id")
    }


def test_numbers_beyond_a_double_are_refused() -> None:
    raw = single_event({**BODY, "metadata": {"essay_a_id": "a", "weight": "@"}}).replace(b'"@"', b"1e999")
    (member,) = read_record(raw).members
    assert member.problem.startswith("metadata: a number in it is beyond the range of a double")
    assert member.metadata == {"essay_a_id": "a"}
    raw = single_event({**BODY, "extra": "@"}).replace(b'"@"', b"[-1e999]")
    (member,) = read_record(raw).members
    assert member.problem.startswith("a number in it is beyond")
    assert member.metadata == BODY["metadata"]


def test_the_prompt_limit_is_a_setting() -> None:
    raw = single_event({**BODY, "user_prompt": "å" * 50})
    assert read_record(raw, max_prompt_bytes=100).members[0].problem == ""
    (member,) = read_record(raw, max_prompt_bytes=99).members
    assert member.problem == "user_prompt: 100 bytes of UTF-8, at most 99: shorten the essays"


def read_one(body: dict[str, Any]) -> InboundMember:
    (member,) = read_record(single_event(body)).members
    return member


def event(event_type: str, data: object, /, **fields: object) -> bytes:
    return json.dumps({"event_type": event_type, "schema_version": 1, "data": data, **fields}).encode()
