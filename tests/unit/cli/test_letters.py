"""Dead letters: what is read of one, and what may be sent again of it."""

import json
from typing import Any

import pytest

from cli.letters import Letter, NotSendable, records
from streams.wire.request_events import round_event, single_event
from streams.wire.requests import read_record
from tests.harness import requests


def body(**more: Any) -> dict[str, Any]:
    return requests.body(callback_topic="results", **more)


def letter(value: bytes, *, reason: str = "callback_topic_not_allowed", answered: bool = False, **headers: str) -> Letter:
    said = {
        "source_topic": "requested",
        "source_partition": "1",
        "source_offset": "7",
        "reason": reason,
        "error": "what was wrong",
        "answered": "true" if answered else "false",
        **headers,
    }
    return Letter("requested.DLQ", 1, 3, 1_000, b"138", value, said)


def member(raw: Any, **more: Any) -> Letter:
    return letter(json.dumps({"position": 2, "comparison": raw}).encode(), position="2", **more)


def ids_in(value: bytes) -> list[str]:
    return [str(one.correlation_id) for one in read_record(value).members]


def test_a_letter_tells_where_it_comes_from_and_which_rounds_it_holds() -> None:
    told = member(body(batch="138", iteration=2)).described()

    assert told["place"] == "1:3"
    assert told["from"] == "requested/1/7 position 2"
    assert told["rounds"] == ["cj:138:2"]
    assert (told["reason"], told["error"], told["answered"]) == ("callback_topic_not_allowed", "what was wrong", False)


def test_what_is_described_holds_no_essay() -> None:
    asked = body()
    asked["user_prompt"] = "an essay"

    assert "an essay" not in json.dumps(member(asked).described())


def test_a_whole_record_keeps_its_bytes_and_a_member_becomes_a_single_request() -> None:
    first, second = body(), body()
    whole = round_event([first, second])

    [again] = records(letter(whole, reason="not_judged"), new_id=False, answered=())
    [alone] = records(member(first), new_id=False, answered=())

    assert (again.key, again.value) == (b"138", whole)
    assert ids_in(alone.value) == [first["correlation_id"]]
    assert json.loads(alone.value)["data"] == first


def test_what_has_been_answered_since_is_left_out() -> None:
    first, second = body(), body()

    left = records(letter(round_event([first, second])), new_id=False, answered={first["correlation_id"]})

    assert [ids_in(one.value) for one in left] == [[second["correlation_id"]]]
    assert records(member(first), new_id=False, answered={first["correlation_id"]}) == []


def test_a_new_id_is_the_same_each_time_so_that_the_command_twice_asks_once() -> None:
    conflicting = member(body(), reason="conflicting_content")

    [once] = records(conflicting, new_id=True, answered=())
    [twice] = records(conflicting, new_id=True, answered=())
    [(before, after)] = once.ids

    assert once.ids == twice.ids
    assert before != after == ids_in(once.value)[0]
    assert records(conflicting, new_id=True, answered={after}) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (letter(b"{", reason="undecodable"), "no comparison can be read"),
        (member("text"), "no comparison can be read"),
        (member({**body(), "callback_topic": 5}), "no callback topic"),
        (member(body(), answered=True), "--new-id"),
        (member(body(), reason="conflicting_content"), "--new-id"),
        (letter(round_event([body()]), reason="too_old"), "--new-id"),
        (member({**body(), "correlation_id": "138"}), "--new-id"),
    ],
)
def test_what_cannot_be_sent_again_says_what_to_do_instead(found: Letter, said: str) -> None:
    with pytest.raises(NotSendable, match=said):
        records(found, new_id=False, answered=())


def test_an_id_in_the_envelope_alone_is_taken_along() -> None:
    asked = body()
    known = asked.pop("correlation_id")
    event = json.loads(single_event(asked))
    event["correlation_id"] = known

    assert letter(json.dumps(event).encode()).described()["correlation_ids"] == [known]


def test_a_letter_of_a_version_without_reasons_is_read() -> None:
    assert Letter("requested.DLQ", 1, 3, 1_000, None, b"{", {"answered": "false"}).reason == "?"
