"""Jobs: their ids, their lines, what is left of a plan."""

import re

from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import Member
from domain.job import Claim, Job, Submission, make_job_id
from domain.shadows import shadows
from tests.model.values import members, plan

ALLOWED = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
# Partitions as many as the setting allows, offsets of a topic with a million records a second for 300,000 years.
PARTITIONS, OFFSETS = st.integers(0, 999), st.integers(0, 2**63 - 1)
TIMES_MS, NUMBERS = st.integers(0, 2**45), st.integers(0, 9_999)


@given(PARTITIONS, OFFSETS, TIMES_MS, NUMBERS, NUMBERS)
def test_ids_are_accepted_by_both_providers(partition: int, offset: int, append_ms: int, number: int, line: int) -> None:
    job = Job(make_job_id(partition, offset, append_ms, number), offset, append_ms, plan(members(1)))
    assert ALLOWED.match(job.job_id)
    assert ALLOWED.match(job.custom_id(line))
    assert ALLOWED.match(job.shadow_id(3 * line))


@given(st.lists(st.tuples(PARTITIONS, OFFSETS, TIMES_MS, NUMBERS, NUMBERS), unique=True, max_size=20))
def test_different_lines_have_different_ids(places: list[tuple[int, int, int, int, int]]) -> None:
    ids = {Job(make_job_id(*place[:4]), 0, 0, plan(members(1))).custom_id(place[4]) for place in places}
    assert len(ids) == len(places)


def test_a_topic_made_anew_does_not_repeat_ids() -> None:
    assert make_job_id(0, 0, 1_700_000_000_000, 0) != make_job_id(0, 0, 1_700_000_000_001, 0)


def test_the_latest_fact_is_what_a_job_waits_for() -> None:
    job = Job("j", 3, 0, plan(members(1)))
    assert job.last_offset == 3
    claimed = Job("j", 3, 0, job.plan, Claim(5, "run", 0, 30, "k"))
    assert claimed.last_offset == 5
    assert Job("j", 3, 0, job.plan, claimed.claim, Submission(9, "batch", 0)).last_offset == 9


@given(st.sets(st.integers(0, 8)))
def test_what_is_left_of_a_plan_keeps_its_order_and_has_no_empty_line(kept: set[int]) -> None:
    a = members(9)
    bundles = plan(a, lines=(a[0:4], a[4:5], a[5:9]))
    left = bundles.only({Member(0, position) for position in kept})
    assert left.members == tuple(member for member in a if member.position in kept)
    assert all(left.lines)
    assert all(set(line) <= set(whole) for line in left.lines for whole in bundles.lines if line[0] in whole)


def test_a_shadow_goes_with_its_member_and_has_an_id_of_its_own() -> None:
    a = members(3)
    audited = plan(a, shadow_lines=(*shadows(a[0], 1), *shadows(a[2], 1)))
    assert audited.only({a[1], a[2]}).shadows == shadows(a[2], 1)
    assert audited.only({a[1]}).shadows == plan(a).shadows == ()
    job = Job(make_job_id(3, 9, 77, 0), 9, 77, audited)
    ids = {job.custom_id(number) for number in range(3)} | {job.shadow_id(number) for number in range(4)}
    assert len(ids) == 7
    assert all(map(ALLOWED.match, ids))
