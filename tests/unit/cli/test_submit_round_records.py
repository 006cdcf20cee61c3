"""Bodies gathered by round and cut into records: nothing lost, nothing twice, nothing too large."""

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import round_records

NOW = dt.datetime(2026, 11, 24, 9, 30, 0, 120_000, tzinfo=dt.UTC)


def body(*, size: int = 10, **metadata: Any) -> round_records.Body:
    return {"user_prompt": "ö" * (size // 6), "metadata": metadata, "correlation_id": str(uuid.uuid4())}


def line(content: object) -> bytes:
    return json.dumps(content).encode()


BODIES = st.lists(
    st.builds(
        body,
        size=st.one_of(st.integers(0, 2_000), st.sampled_from([300_000, 500_000, 1_000_000])),
        cj_batch_id=st.sampled_from([None, "", "138", "139"]),
        bos_batch_id=st.sampled_from([None, "ddc3f259-b125-4a08-97fb-f4907fa50b3d"]),
        comparison_iteration=st.sampled_from([None, 0, 1]),
    ),
    max_size=12,
)


@given(BODIES)
@settings(max_examples=60, deadline=None)
def test_every_body_is_in_exactly_one_record_below_the_limit(bodies: list[round_records.Body]) -> None:
    records = round_records.records(bodies, NOW)

    found = [member for record in records for member in json.loads(record.value)["data"]["comparisons"]]
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, bodies))
    for record in records:
        assert len(record.value) <= round_records.RECORD_BYTES < 1_048_576
        assert json.loads(record.value)["data"]["part"] == record.part
        assert json.loads(record.value)["data"]["parts"] == record.parts
        assert len(json.loads(record.value)["data"]["comparisons"]) == record.comparisons > 0


@given(BODIES)
@settings(max_examples=60, deadline=None)
def test_the_parts_of_a_round_are_numbered_and_hold_that_round_alone(bodies: list[round_records.Body]) -> None:
    rounds: dict[tuple[bytes, Any], list[int]] = {}
    for record in round_records.records(bodies, NOW):
        members = json.loads(record.value)["data"]["comparisons"]
        ids = {
            (
                member["metadata"]["cj_batch_id"] or member["metadata"]["bos_batch_id"] or member["correlation_id"],
                member["metadata"]["comparison_iteration"] or 0,
            )
            for member in members
        }
        assert len(ids) == 1
        (batch, iteration) = ids.pop()
        assert record.key == batch.encode()
        rounds.setdefault((record.key, iteration), []).append(record.part)
        assert record.part <= record.parts
    for parts in rounds.values():
        assert parts == list(range(1, len(parts) + 1))


def test_a_round_in_several_parts_names_their_number_in_each() -> None:
    bodies = [body(size=400_000, cj_batch_id="138", comparison_iteration=0) for _ in range(5)]

    records = round_records.records(bodies, NOW)

    assert [(record.part, record.parts, record.comparisons) for record in records] == [(1, 3, 2), (2, 3, 2), (3, 3, 1)]


def test_a_number_as_batch_id_and_no_metadata_at_all_are_taken() -> None:
    alone = {"correlation_id": "7b0d2b4e-3f53-4d0c-8c39-5d0c6c8e9a21", "metadata": "none"}

    assert [record.key for record in round_records.records([body(cj_batch_id=138), alone], NOW)] == [
        b"138",
        b"7b0d2b4e-3f53-4d0c-8c39-5d0c6c8e9a21",
    ]


def test_the_envelope_is_the_platforms() -> None:
    [record] = round_records.records([body(cj_batch_id="138")], NOW)

    envelope = json.loads(record.value)
    assert list(envelope) == [
        "event_id",
        "event_type",
        "event_timestamp",
        "source_service",
        "schema_version",
        "correlation_id",
        "data_schema_uri",
        "data",
        "metadata",
    ]
    assert envelope["event_type"] == "LLMComparisonRoundRequestedV1"
    assert envelope["event_timestamp"] == "2026-11-24T09:30:00.120000Z"
    assert uuid.UUID(envelope["correlation_id"])


def test_the_largest_body_that_is_read_also_fits_its_record() -> None:
    largest = body(size=0)
    largest["user_prompt"] = "x" * (round_records.BODY_BYTES - len(json.dumps(largest)) - 2)
    larger = largest | {"user_prompt": largest["user_prompt"] + "x"}

    bodies, rejected = round_records.read_lines([line(largest), line(larger)])

    assert [refusal.line for refusal in rejected] == [2]
    assert len(round_records.records(bodies, NOW)[0].value) <= round_records.RECORD_BYTES
    with pytest.raises(ValueError, match="fit into a record"):
        round_records.records([larger], NOW)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": "\\ud800"}', "not UTF-8"),
        (b'{"a": 1e999}', "Out of range float"),
        (b"[1]", "not a JSON object but a list"),
        (b'{"correlation_id": "138"}', "correlation_id is no UUID: '138'"),
        (b'{"metadata": {}}', "correlation_id is no UUID: None"),
    ],
)
def test_a_line_that_could_not_be_answered_is_named_by_its_number(content: bytes, reason: str) -> None:
    good = line(body())

    bodies, rejected = round_records.read_lines([good, b"", content, good, b"  \r"])

    assert len(bodies) == 2
    assert [refusal.line for refusal in rejected] == [3]
    assert reason in rejected[0].reason
