"""Stages: the next step of an open job, by its facts and by what this process remembers."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain.job import Claim, Job, Submission, Transport
from domain.next_step import Here, Step, next_step
from tests.model.values import members, plan

PLANNED = Job("j", 0, 0, plan(members(1), not_before_ms=500))
OURS = replace(PLANNED, claim=Claim(1, "us", 0, start_within_s=30, key_hash="k"))
THEIRS = replace(PLANNED, claim=Claim(1, "them", 0, start_within_s=30, key_hash="k"))
SUBMITTED = replace(THEIRS, submission=Submission(2, "batch", 0))
CALLS = replace(PLANNED, plan=replace(PLANNED.plan, transport=Transport.CALL))


def step(job: Job, **fields: Any) -> Step:
    times = {"acked": fields.pop("acked", 10), "now_ms": fields.pop("now_ms", 1_000)}
    return next_step(job, Here(**{"worker_run": "us", **fields}), **times)


@pytest.mark.parametrize("job", [PLANNED, CALLS])
def test_nothing_before_its_time(job: Job) -> None:
    assert step(job, now_ms=499) is Step.WAIT


def test_a_planned_job_is_claimed_once() -> None:
    assert step(PLANNED, now_ms=500) is Step.CLAIM
    assert step(PLANNED, claim_age_s=0.0) is Step.WAIT
    assert step(PLANNED, claim_age_s=9_999.0) is Step.WAIT  # its claim is still on its way through the log


def test_calls_need_no_claim() -> None:
    assert step(CALLS, now_ms=500) is Step.CALL


@pytest.mark.parametrize(("age_s", "what"), [(0.0, Step.CREATE), (29.9, Step.CREATE), (30.0, Step.GIVE_BACK)])
def test_our_own_claim_is_called_upon_while_it_holds(age_s: float, what: Step) -> None:
    assert step(OURS, claim_age_s=age_s) is what


@pytest.mark.parametrize("age_s", [0.0, 29.9, 30.0, 9_999.0])
def test_a_claim_is_called_upon_once(age_s: float) -> None:
    assert step(OURS, claim_age_s=age_s, called=True) is Step.FIND


@pytest.mark.parametrize("age_s", [None, 0.0, 9_999.0])
def test_the_claim_of_another_is_never_called_upon(age_s: float | None) -> None:
    assert step(THEIRS, claim_age_s=age_s) is Step.FIND


@pytest.mark.parametrize("called", [False, True])
def test_a_submitted_job_is_polled_by_anybody(called: bool) -> None:
    assert step(SUBMITTED, called=called, now_ms=0) is Step.POLL


def test_nothing_is_done_for_a_fact_that_is_not_acknowledged() -> None:
    assert step(SUBMITTED, acked=SUBMITTED.last_offset) is Step.NOTHING
    assert step(SUBMITTED, acked=SUBMITTED.last_offset + 1) is Step.POLL


@pytest.mark.parametrize("job", [PLANNED, OURS, SUBMITTED])
def test_what_is_under_way_is_waited_for(job: Job) -> None:
    assert step(job, under_way=True, has_key=False) is Step.NOTHING


@pytest.mark.parametrize("job", [PLANNED, OURS, SUBMITTED])
def test_without_a_key_nothing_can_be_done(job: Job) -> None:
    assert step(job, has_key=False) is Step.NO_KEY
