"""Arrival: accepted, rejected, duplicate or in conflict, the same on every reading."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.arriving import MAX_ARRIVALS, Candidate, arrive
from domain.comparison import Member
from domain.partition.history import Known
from domain.partition.state import PartitionState
from domain.rounds import Arrival, RoundEntry, Standing
from tables import rounds
from tests.model.values import FAULT


def candidate(position: int, name: str, content: str = "c", **fields: Any) -> Candidate:
    plain: dict[str, Any] = {
        "strategy": "per_round",
        "provider": "openai",
        "model": "m",
        "profile": "p",
        "prompt_bytes": 10,
        "deadline_ms": 9,
    }
    round_key, announced = fields.pop("round_key", "cj:1:0"), fields.pop("announced", None)
    standing = Standing.REJECTED if fields.get("fault") else Standing.ACCEPTED
    return Candidate(round_key, announced, Arrival(position, name, content, standing, **{**plain, **fields}))


def standings(entries: tuple[RoundEntry, ...]) -> list[Standing]:
    return [arrival.standing for entry in entries for arrival in entry.arrivals]


def test_a_new_id_is_accepted_and_one_with_a_fault_rejected() -> None:
    (entry,) = arrive(5, 7, [candidate(0, "a"), candidate(1, "b", fault=FAULT)], {}, part=2, parts=3)
    assert standings((entry,)) == [Standing.ACCEPTED, Standing.REJECTED]
    assert [arrival.fault for arrival in entry.arrivals] == [None, FAULT]
    assert (entry.offset, entry.append_ms, entry.part, entry.parts) == (5, 7, 2, 3)


def test_equal_content_is_a_duplicate_other_content_a_conflict() -> None:
    known = {"a": Known(Member(1, 0), "c"), "b": Known(Member(1, 1), "c")}
    entries = arrive(5, 7, [candidate(0, "a"), candidate(1, "b", "other", fault=FAULT)], known, part=1, parts=None)
    assert standings(entries) == [Standing.DUPLICATE, Standing.CONFLICT]
    assert [arrival.fault for entry in entries for arrival in entry.arrivals] == [None, None]


def test_an_id_twice_in_one_record_is_judged_by_its_first_place() -> None:
    came = [candidate(0, "a"), candidate(1, "a"), candidate(2, "a", "other")]
    assert standings(arrive(5, 7, came, {}, part=1, parts=1)) == [Standing.ACCEPTED, Standing.DUPLICATE, Standing.CONFLICT]


def test_a_record_read_again_does_not_meet_itself() -> None:
    """Else it would be a duplicate of itself: answered by nobody."""
    known = {"a": Known(Member(5, 0), "c")}
    assert standings(arrive(5, 7, [candidate(0, "a")], known, part=1, parts=None)) == [Standing.ACCEPTED]


def test_one_entry_a_round_with_the_largest_size_announced() -> None:
    came = [
        candidate(0, "a", announced=2),
        candidate(1, "b", round_key="cj:2:0"),
        candidate(2, "c", announced=12),
        candidate(3, "d"),
    ]
    first, second = arrive(5, 7, came, {}, part=1, parts=None)
    assert (first.round_key, first.announced, [arrival.position for arrival in first.arrivals]) == ("cj:1:0", 12, [0, 2, 3])
    assert (second.round_key, second.announced) == ("cj:2:0", None)


def test_more_arrivals_than_an_entry_may_hold_come_in_pieces() -> None:
    count = 2 * MAX_ARRIVALS + 1
    entries = arrive(5, 7, [candidate(place, str(place), announced=9) for place in range(count)], {}, part=1, parts=1)
    assert [len(entry.arrivals) for entry in entries] == [MAX_ARRIVALS, MAX_ARRIVALS, 1]
    assert len({rounds.key(3, entry) for entry in entries}) == 3
    state = PartitionState(3)
    state.learn_record(5, entries, 0)
    progress = state.progress.of("cj:1:0", 6)
    assert (len(state.pending), progress.ids, progress.complete) == (count, count, True)


@given(st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.booleans()), max_size=6), max_size=6))
def test_each_id_stands_once_however_it_is_repeated(records: list[list[tuple[str, str, bool]]]) -> None:
    state = PartitionState(0)
    counted: list[str] = []
    for offset, record in enumerate(records):
        came = [candidate(place, *said, fault=FAULT if bad else None) for place, (*said, bad) in enumerate(record)]
        entries = arrive(offset, 7, came, state.history.known("abcd", 7), part=1, parts=None)
        assert sorted(arrival.position for entry in entries for arrival in entry.arrivals) == list(range(len(record)))
        state.learn_record(offset, entries, 0)
        # Read again with everything learned, it is judged the same.
        assert arrive(offset, 7, came, state.history.known("abcd", 7), part=1, parts=None) == entries
        first = (Standing.ACCEPTED, Standing.REJECTED)
        counted += [arrival.correlation_id for entry in entries for arrival in entry.arrivals if arrival.standing in first]
    assert len(counted) == len(set(counted))
    assert set(counted) == {name for record in records for name, *_ in record}
