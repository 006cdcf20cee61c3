"""A record that is read again after collect: cheaper, and the same in everything that an event is made of."""

import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streams.wire.request_events import round_event, single_event
from streams.wire.requests import MAX_METADATA_BYTES, InboundMember, read_record
from tables import requests
from tables.acknowledged import AcknowledgedTable
from tables.parsed import ParsedRecords

EXAMPLES = Path(__file__).parents[2] / "examples"
BODY: dict[str, Any] = json.loads((EXAMPLES / "request_http_body.json").read_text())
SPECIAL = "1e999"

METADATA: list[Any] = [
    BODY["metadata"],
    {},
    None,
    {"weight": 0.5, "big": 1 << 70, "small": -3, "nested": {"a": [1, None, True]}},
    {"essay_a_id": "a", "weight": SPECIAL},
    {"essay_a_id": "a", "notes": "x" * (MAX_METADATA_BYTES + 1)},
    {"essay_a_id": "a", "notes": "å" * (MAX_METADATA_BYTES // 6)},
    {"essay_a_id": "a", "notes": "å" * (MAX_METADATA_BYTES // 6 - 100)},
    {"essay_a_id": "a", "notes": "x" * (MAX_METADATA_BYTES // 12)},
    {"essay_a_id": "a", "notes": "\U0001f600" * (MAX_METADATA_BYTES // 12)},
]
OTHERS: list[dict[str, Any]] = [
    {},
    {"user_prompt": ""},
    {"callback_topic": None},
    {"correlation_id": "none"},
    {"extra": SPECIAL},
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
@pytest.mark.parametrize("metadata", METADATA, ids=lambda value: str(value)[:40])
def test_what_an_event_is_made_of_is_the_same(metadata: Any, other: dict[str, Any]) -> None:
    bodies = [{**BODY, **other, "metadata": metadata}, BODY]
    raw = round_event(bodies).replace(f'"{SPECIAL}"'.encode(), SPECIAL.encode())
    for first, again in zip(read_record(raw).members, read_record(raw, judged=True).members, strict=True):
        assert _for_an_event(first) == _for_an_event(again)
        assert again.body == first.body or "beyond the range of a double" in first.problem


def _for_an_event(member: InboundMember) -> tuple[Any, ...]:
    return (member.position, member.correlation_id, member.callback_topic, member.metadata, member.prompt_sha256, member.raw)


class TestParsedRecords:
    def setup_method(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.table = cast(AcknowledgedTable, SimpleNamespace(find=lambda partition, key: self.entries.get(key)))

    def put(self, offset: int, raw: bytes, append_ms: int = 5) -> None:
        self.entries[requests.key(0, offset)] = requests.encode(requests.Stored(append_ms, raw))

    def test_a_record_is_decoded_once(self) -> None:
        parsed = ParsedRecords()
        self.put(3, single_event(BODY))
        first = parsed.find(self.table, 0, 3)
        assert first is not None
        assert first[0] == 5
        again = parsed.find(self.table, 0, 3)
        assert again is not None
        assert again[1] is first[1]

    def test_what_collect_kept_is_found(self) -> None:
        parsed, raw = ParsedRecords(), single_event(BODY)
        record = read_record(raw)
        self.put(3, raw)
        parsed.keep(0, 3, 5, len(raw), record)
        found = parsed.find(self.table, 0, 3)
        assert found is not None
        assert found[1] is record

    def test_a_body_that_was_too_long_for_the_setting_is_read_again(self) -> None:
        parsed, raw = ParsedRecords(), single_event(BODY)
        self.put(3, raw)
        parsed.keep(0, 3, 5, len(raw), read_record(raw, max_prompt_bytes=10))
        found = parsed.find(self.table, 0, 3)
        assert found is not None
        assert found[1].members[0].body is not None

    def test_a_topic_made_anew_has_other_records_at_its_offsets(self) -> None:
        parsed, other = ParsedRecords(), {**BODY, "correlation_id": str(uuid.uuid4())}
        self.put(3, single_event(BODY))
        parsed.find(self.table, 0, 3)
        self.put(3, single_event(other), append_ms=6)
        found = parsed.find(self.table, 0, 3)
        assert found is not None
        assert str(found[1].members[0].correlation_id) == other["correlation_id"]

    def test_a_finished_record_is_gone(self) -> None:
        parsed = ParsedRecords()
        self.put(3, single_event(BODY))
        parsed.find(self.table, 0, 3)
        self.entries.clear()
        assert parsed.find(self.table, 0, 3) is None

    def test_the_oldest_goes_first_when_there_is_too_much(self) -> None:
        raw = single_event(BODY)
        parsed = ParsedRecords(most_bytes=2 * len(raw))
        for offset in (1, 2, 3):
            self.put(offset, raw)
        one, two = parsed.find(self.table, 0, 1), parsed.find(self.table, 0, 2)
        parsed.find(self.table, 0, 3)
        assert one is not None
        assert two is not None
        again_two, again_one = parsed.find(self.table, 0, 2), parsed.find(self.table, 0, 1)
        assert again_two is not None
        assert again_one is not None
        assert again_two[1] is two[1]
        assert again_one[1] is not one[1]
