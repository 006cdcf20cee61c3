"""As test_plants.py, for faults about who has a partition: two processes of one name, and views kept at a rebalance."""

from collections.abc import Callable
from functools import partial

import pytest

from agents.partitions import kept
from agents.partitions.kept import KeptViews, Membership
from agents.wiring import assemble
from tests.model import test_interleavings_kept as kept_views
from tests.model import test_interleavings_same_name as same_name
from tests.model import worker
from tests.model.test_plants import Patch, Play
from tests.model.world import BrokenPromise, World

# -- the plants ----------------------------------------------------------------------------------------------------------


def claim_known_by_name(patch: Patch) -> None:
    """A claim names its author as the group does: two processes of one name have the same."""
    patch.setattr(worker, "assemble", lambda settings, edges, _: assemble(settings, edges, "the-name"))


def kept_whatever_has_happened(patch: Patch) -> None:
    """A partition that comes back has the view that it had."""
    patch.setattr(Membership, "follows", lambda self, before: True)
    kept_whatever_was_restored(patch)
    kept_wherever_it_reads_on(patch)


def kept_whatever_was_restored(patch: Patch) -> None:
    """A view is kept although the recovery of the tables has brought entries."""
    patch.setattr(KeptViews, "_restored", lambda self, partition: 0)


def kept_wherever_it_reads_on(patch: Patch) -> None:
    """A view is kept although records that it has handled are read again, or others were passed."""
    patch.setattr(kept, "_goes_on", lambda before, now: True)


# -- and what they break -------------------------------------------------------------------------------------------------


known_by_name = same_name.test_24_a_batch_is_paid_twice_when_a_claim_is_known_by_the_members_name
was_anothers = kept_views.test_25_one_request_ends_in_two_events_when_another_had_the_partition
read_again = kept_views.test_26_one_request_ends_in_two_events_when_records_are_read_again_into_a_view_that_has_them
restored = kept_views.test_27_a_request_is_never_deleted_when_the_recovery_brings_what_another_has_written

PLANTS: list[tuple[Callable[[Patch], None], str, Play]] = [
    (claim_known_by_name, "paid twice", partial(known_by_name, done="batch created", slept_s=5)),
    (claim_known_by_name, "paid twice", partial(known_by_name, done="fate unknown", slept_s=5)),
    (kept_whatever_has_happened, "2 different events", partial(was_anothers, known_by="generation")),
    (kept_whatever_has_happened, "2 different events", partial(was_anothers, known_by="member")),
    (kept_wherever_it_reads_on, "2 different events", read_again),
    (kept_whatever_was_restored, "never deleted", restored),
]
IDS = [f"{plant.__name__}-{number}" for number, (plant, *_) in enumerate(PLANTS)]


@pytest.mark.parametrize(("plant", "broken", "play"), PLANTS, ids=IDS)
async def test_the_plant_breaks_a_promise(
    world: World, monkeypatch: Patch, plant: Callable[[Patch], None], broken: str, play: Play
) -> None:
    plant(monkeypatch)
    world.compares_kept = False  # it would find all of them, before any promise is broken
    with pytest.raises(BrokenPromise, match=broken):
        await play(world)
