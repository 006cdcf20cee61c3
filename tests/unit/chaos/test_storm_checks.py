"""The checks of `make chaos` find what they are for: of a doctored history they say which promise broke, and about what."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.storm.history import Asked, Broken, Comparison, Found, check, orphans


def event(identity: str, winner: str | None = "Essay A", **more: Any) -> bytes:
    data = {"winner": winner, "error_detail": None, "request_id": f"q-{identity}", "cost": 0.1, **more}
    return json.dumps({"event_id": f"e-{identity}", "correlation_id": identity, "data": data}).encode()


def item(fingerprint: str, kind: str = "batch", outcome: str = "ok", source: str = "batch-1") -> dict[str, Any]:
    return {
        "fingerprint": fingerprint,
        "kind": kind,
        "outcome": outcome,
        "source_id": source,
        "custom_id": f"{source}-{fingerprint}",
    }


def batch(identity: str, status: str = "ended") -> dict[str, Any]:
    return {"id": identity, "status": status}


@pytest.fixture
def asked() -> Asked:
    """Three comparisons, the third of which was posted; a fourth one whose 202 never came."""
    made = Asked()
    for identity in ("c1", "c2"):
        made.send(identity, Comparison("topic", "b", "Essay A"))
        made.accept(identity)
    for identity in ("c3", "c4"):
        made.send(identity, Comparison("gateway", "b", "Essay A"))
    made.accept("c3", "q-c3")
    return made


@pytest.fixture
def found() -> Found:
    """Nothing is wrong with it."""
    return Found(
        events={identity: [event(identity)] for identity in ("c1", "c2", "c3")},
        dead_letters={},
        items=[item("f1"), item("f2"), item("f3", "call", source="call-1")],
        batches=[batch("batch-1")],
        read_batches={"batch-1"},
        unread={},
    )


def broken(asked: Asked, found: Found) -> dict[str, str]:
    """Promise → about what; one of each."""
    return {one.promise: one.about for one in check(asked, found)[0]}


def test_nothing_is_said_of_a_good_history(asked: Asked, found: Found) -> None:
    problems, counts = check(asked, found)
    assert problems == []
    assert (counts.requested, counts.accepted, counts.accepted_by_gateway, counts.answered) == (4, 3, 1, 3)
    assert (counts.missing, counts.conflicting, counts.duplicates_identical, counts.orphans) == (0, 0, 0, 0)


def test_a_lost_event(asked: Asked, found: Found) -> None:
    del found.events["c2"]
    assert broken(asked, found) == {"missing": "c2"}


def test_a_202_without_an_event(asked: Asked, found: Found) -> None:
    del found.events["c3"]
    (problem,) = check(asked, found)[0]
    assert (problem.promise, problem.about) == ("missing", "c3")
    assert "accepted by the gateway, batch b" in problem.words


def test_a_post_without_a_202_may_have_an_event_and_none(asked: Asked, found: Found) -> None:
    found.events["c4"] = [event("c4")]
    assert broken(asked, found) == {}


def test_conflicting_events(asked: Asked, found: Found) -> None:
    found.events["c1"].append(event("c1", None, error_detail={"error_code": "TIMEOUT"}))
    (problem,) = check(asked, found)[0]
    assert problem == Broken("conflicting", "c1", "2 events that differ in data.winner, data.error_detail")


def test_the_same_event_in_other_bytes_conflicts_too(asked: Asked, found: Found) -> None:
    found.events["c1"].append(event("c1") + b" ")
    assert broken(asked, found) == {"conflicting": "c1"}


def test_an_event_sent_again_is_counted(asked: Asked, found: Found) -> None:
    found.events["c1"] *= 3
    problems, counts = check(asked, found)
    assert (problems, counts.duplicates_identical) == ([], 2)


def test_an_answer_that_went_to_another_member(asked: Asked, found: Found) -> None:
    found.events["c2"] = [event("c2", "Essay B")]
    assert broken(asked, found) == {"wrong answer": "c2"}


def test_an_event_that_nobody_asked_for(asked: Asked, found: Found) -> None:
    found.events["c9"] = [event("c9")]
    assert broken(asked, found) == {"unasked": "c9"}


def test_an_event_with_another_request_id_than_the_202(asked: Asked, found: Found) -> None:
    found.events["c3"] = [event("c3", request_id="q-other")]
    assert broken(asked, found) == {"queue id": "c3"}


def test_a_dead_letter(asked: Asked, found: Found) -> None:
    found.dead_letters["requested.DLQ-0@7"] = "undecodable"
    assert broken(asked, found) == {"dead letter": "requested.DLQ-0@7"}


def test_records_that_nobody_committed(asked: Asked, found: Found) -> None:
    found.unread["work-3"] = 5
    assert broken(asked, found) == {"not committed": "work-3"}


def test_errors_are_counted_by_code(asked: Asked, found: Found) -> None:
    found.events["c2"] = [event("c2", None, error_detail={"error_code": "TIMEOUT"})]
    problems, counts = check(asked, found)
    assert (problems, counts.errors, counts.answered) == ([], {"TIMEOUT": 1}, 2)


class TestPaid:
    """What the provider's ledger tells."""

    def test_a_batch_item_paid_twice(self, asked: Asked, found: Found) -> None:
        found.items.append(item("f1", source="batch-2"))
        (problem,) = check(asked, found)[0]
        assert (problem.promise, problem.about) == ("batch item paid twice", "batch-2-f1")
        assert "paid before in batch-1 as batch-1-f1" in problem.words

    def test_an_item_that_audits_another_is_paid_once_for_itself(self, asked: Asked, found: Found) -> None:
        shadow = item("f1") | {"custom_id": "rb-0-1-abc-0-s0"}
        found.items.append(shadow)
        assert broken(asked, found) == {}
        found.items.append(shadow | {"source_id": "batch-2"})
        problems, counts = check(asked, found)
        assert [(problem.promise, problem.about) for problem in problems] == [("batch item paid twice", "rb-0-1-abc-0-s0")]
        assert counts.shadow_items_paid == 2

    def test_after_an_unusable_answer_it_is_right_to_ask_again(self, asked: Asked, found: Found) -> None:
        found.items[:0] = [item("f1", outcome="cut", source="batch-0")]
        assert broken(asked, found) == {}

    def test_a_call_that_was_repeated_is_counted(self, asked: Asked, found: Found) -> None:
        found.items.append(item("f3", "call", source="call-2"))
        found.items.append(item("f1", "call", source="call-3"))
        problems, counts = check(asked, found)
        assert (problems, counts.sync_calls_repeated, counts.call_items_paid) == ([], 2, 3)

    def test_a_batch_that_nobody_read_is_an_orphan(self, found: Found) -> None:
        left = [batch("batch-2"), batch("batch-3", "running"), batch("batch-4", "cancelled"), batch("batch-5", "failed")]
        assert [one["id"] for one in orphans(replace(found, batches=found.batches + left))] == ["batch-2", "batch-3"]
