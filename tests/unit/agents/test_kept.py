"""When a view outlives a rebalance."""

from types import SimpleNamespace
from typing import Any

import pytest

from agents.partitions.kept import KeptViews, Membership
from domain.partition.state import PartitionState
from tables.view import PartitionView, ReadProgress

BEFORE = Membership("member", 7)


class Restoring:
    """Tables, of which only the number of entries that recoveries brought is of interest."""

    def __init__(self) -> None:
        self.count = 0

    def __iter__(self) -> Any:
        return iter([SimpleNamespace(entries_restored=lambda partition: self.count if partition == 3 else 0)])


def progress(offset: int, *, acked: int | None = None) -> ReadProgress:
    return ReadProgress(offset, offset + 5, offset if acked is None else acked)


def held(tables: Any, inbound: ReadProgress, work: ReadProgress) -> tuple[KeptViews, PartitionView]:
    kept = KeptViews(tables)
    kept.assigned([2, 3], BEFORE)
    view = PartitionView(3, PartitionState(3), inbound, work, caught_up=True)
    view.retained.add(1)
    kept.keep(view)
    return kept, view


@pytest.mark.parametrize("generation", [7, 8])
def test_a_view_goes_on_with_its_state_in_the_next_assignment(generation: int) -> None:
    known = ReadProgress(4, 4, 4)
    known.tell(3, 1_000)
    kept, view = held(Restoring(), known, progress(9))
    kept.assigned([3], Membership("member", generation))
    found = kept.find(3, progress(4), progress(9))
    assert found is not None
    assert found.state is view.state
    assert found.retained == {1}
    assert (found.kept, found.caught_up, found.dead) == (True, False, False)
    assert (found.inbound.end, found.inbound.known, found.inbound.witness) == (9, 4, (3, 1_000))
    kept.forget(3)
    assert kept.find(3, progress(4), progress(9)) is None


def test_it_outlives_several_assignments_without_being_asked_for() -> None:
    kept, _ = held(Restoring(), progress(4), progress(9))
    for generation in (8, 9, 10):
        kept.assigned([3], Membership("member", generation))
    assert kept.find(3, progress(4), progress(9)) is not None


@pytest.mark.parametrize(
    ("partitions", "member", "generation"),
    [
        ([2], "member", 8),  # the partition is another's now
        ([3], "member", 9),  # an assignment was missed
        ([3], "member", 6),
        ([3], "other", 8),  # it has joined anew
        ([3], "", 8),
    ],
)
def test_it_is_forgotten_where_another_may_have_had_it(partitions: list[int], member: str, generation: int) -> None:
    kept, _ = held(Restoring(), progress(4), progress(9))
    kept.assigned(partitions, Membership(member, generation))
    kept.assigned([3], Membership(member, generation + 1))
    assert kept.find(3, progress(4), progress(9)) is None


def test_it_is_not_kept_where_the_recovery_brought_entries() -> None:
    tables = Restoring()
    kept, _ = held(tables, progress(4), progress(9))
    kept.assigned([3], Membership("member", 8))
    tables.count = 1
    assert kept.find(3, progress(4), progress(9)) is None
    tables.count = 0
    assert kept.find(3, progress(4), progress(9)) is None, "it is forgotten"


@pytest.mark.parametrize(
    ("handled", "read_on"),
    [
        (progress(4), 3),  # its commit was refused
        (progress(4), 5),  # somebody else has committed, or retention has removed records
        (progress(4, acked=3), 3),  # a record is under way
        (progress(4, acked=3), 4),
    ],
)
def test_it_is_not_kept_where_a_topic_is_not_read_on_where_it_stood(handled: ReadProgress, read_on: int) -> None:
    for topics, starts in (((handled, progress(9)), (read_on, 9)), ((progress(9), handled), (9, read_on))):
        kept, _ = held(Restoring(), *topics)
        kept.assigned([3], Membership("member", 8))
        assert kept.find(3, *(progress(start) for start in starts)) is None
