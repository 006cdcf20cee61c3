"""Reconciling: what one record of the work topic decides, given the state before it."""

import pytest
from msgspec.structs import replace

from domain.answer import Answer
from domain.auditing import Delivered
from domain.comparison import Member
from domain.job import Claim, Job, Submission
from domain.outcome import Outcome
from domain.partition.state import PartitionState
from domain.reconciling import (
    JobEnd,
    Overdue,
    Verdict,
    claimed,
    deadline_passed,
    job_ended,
    outcomes,
    planned,
    submitted,
    together,
)
from domain.reply import Cause, ErrorCode
from domain.shadows import shadows
from tests.model.values import EXPIRED, FAULT, HOUR_MS, answered, members, open_again, plan

CLAIM = Claim(5, "run", 0, 30, "k")


def learn(state: PartitionState, verdict: Verdict) -> Verdict:
    state.learn_endings(verdict.endings)
    for job in verdict.jobs:
        state.learn_planned(job)
    for claim in verdict.claims:
        state.learn_claim(*claim)
    for submission in verdict.submissions:
        state.learn_submission(*submission)
    return verdict


@pytest.fixture
def state() -> PartitionState:
    return PartitionState(0)


@pytest.fixture
def job(state: PartitionState) -> Job:
    """A planned job of six members."""
    (made,) = learn(state, planned(state, 0, 0, plan(members(6)))).jobs
    return made


def end(state: PartitionState, job: Job, reason: JobEnd = JobEnd.READ, claim: int | None = None, at_ms: int = 1_000) -> Verdict:
    return job_ended(state, 9, at_ms, job_id=job.job_id, claim_offset=claim, reason=reason, message="said")


def test_a_plan_becomes_a_job(state: PartitionState) -> None:
    (job,) = planned(state, 3, 7, plan(members(2))).jobs
    assert (job.offset, job.append_ms, job.plan) == (3, 7, plan(members(2)))


def test_a_plan_keeps_what_no_open_job_holds_and_has_no_outcome(state: PartitionState, job: Job) -> None:
    learn(state, outcomes(state, "", [answered(Member(1, 0))]))
    a, b = members(2, 1)
    (second,) = planned(state, 4, 0, plan((*members(6), a, b))).jobs
    assert second.plan.lines == ((b,),)
    assert planned(state, 5, 0, plan((*members(6), a))) == Verdict(ignored="no member left")


def test_the_first_claim_counts(state: PartitionState, job: Job) -> None:
    assert learn(state, claimed(state, job.job_id, CLAIM)).claims == ((job.job_id, CLAIM),)
    assert claimed(state, job.job_id, replace(CLAIM, offset=6, worker_run="other")) == Verdict(ignored="claimed before")


def test_a_claim_counts_only_while_its_job_owns_an_open_member(state: PartitionState, job: Job) -> None:
    assert claimed(state, "never planned", CLAIM).claims == ()
    learn(state, end(state, job))
    assert claimed(state, job.job_id, CLAIM).claims == ()


def test_what_counts_of_an_audited_member_is_delivered_and_no_surplus(state: PartitionState) -> None:
    of = members(2)
    (job,) = learn(state, planned(state, 0, 0, plan(of, shadow_lines=shadows(of[0], 1)))).jobs
    other = replace(answered(of[0]), answer=Answer("Essay B", "because", 2.0))
    told = learn(state, outcomes(state, job.job_id, [answered(of[0]), other])).audits
    assert told is not None
    assert told.delivered == (Delivered(of[0], True, 4.0),)
    assert outcomes(state, job.job_id, [other]).audits is None


def test_an_audited_line_with_a_suspect_is_told_of_alone_and_in_a_record_of_several(state: PartitionState) -> None:
    of = members(8)
    state.suspects = {of[0], of[7]}
    plans = [plan(line, lines=(line,), shadow_lines=shadows(line[1], 3)) for line in (of[:3], of[3:6])]
    verdicts = [planned(state, 0, 0, one, number) for number, one in enumerate(plans)]
    for told in (together(verdicts), together([together(verdicts), planned(state, 0, 0, plans[1], 2)])):
        assert told.audits is not None
        assert [(one.member, one.suspect) for one in told.audits.watched] == [(of[1], True), (of[4], False)]


def test_the_first_submission_counts(state: PartitionState, job: Job) -> None:
    learn(state, claimed(state, job.job_id, CLAIM))
    first = Submission(6, "batch", 0)
    assert learn(state, submitted(state, job.job_id, first)).submissions == ((job.job_id, first),)
    assert submitted(state, job.job_id, Submission(7, "other", 0)).submissions == ()
    assert submitted(state, "gone", first).ignored


def test_an_outcome_ends_its_member_and_a_later_one_is_spent(state: PartitionState, job: Job) -> None:
    first = learn(state, outcomes(state, job.job_id, [answered(Member(0, 0))]))
    assert [(ending.member, ending.code) for ending in first.endings] == [(Member(0, 0), "answered")]
    fault = Outcome(Member(0, 0), "openai", "m", 1, "batch_api", fault=FAULT)
    later = outcomes(state, job.job_id, [fault, answered(Member(0, 1))])
    assert (later.surplus, [outcome.member for outcome in later.terminal]) == (1, [Member(0, 1)])


def test_twice_in_one_record_the_first_counts(state: PartitionState, job: Job) -> None:
    a = Member(0, 0)
    verdict = outcomes(state, job.job_id, [open_again(a), answered(a), Outcome(a, "openai", "m", 1, "x", fault=FAULT)])
    assert (verdict.surplus, [outcome.answer is not None for outcome in verdict.terminal]) == (1, [True])


def test_a_retryable_outcome_leaves_the_member_open(state: PartitionState, job: Job) -> None:
    verdict = learn(state, outcomes(state, job.job_id, [open_again(Member(0, 0))]))
    assert verdict.terminal == ()
    assert (state.has_ended(Member(0, 0)), state.retries_of(job.job_id)) == (False, {Member(0, 0): EXPIRED})


def test_a_retryable_outcome_of_a_job_that_has_lost_the_member_is_nothing(state: PartitionState, job: Job) -> None:
    learn(state, end(state, job))
    assert outcomes(state, job.job_id, [open_again(Member(0, 0))]).endings == ()


def test_an_answer_of_a_job_that_has_lost_the_member_still_counts(state: PartitionState, job: Job) -> None:
    """It was paid for, and it comes before the other one."""
    (second,) = learn(state, end(state, job)).jobs
    assert len(learn(state, outcomes(state, job.job_id, [answered(Member(0, 0))])).terminal) == 1
    assert state.owned(second.job_id) == members(6)[1:]


def test_a_read_job_is_planned_again_with_what_it_left_open(state: PartitionState, job: Job) -> None:
    came = [answered(member) for member in members(6)[:4]]
    learn(state, outcomes(state, job.job_id, [*came, open_again(Member(0, 4))]))
    verdict = learn(state, end(state, job))
    (again,) = verdict.jobs
    assert (again.plan.members, again.plan.attempt) == (members(6)[4:], 2)
    assert (again.offset, again.append_ms, verdict.terminal) == (9, 1_000, ())


def test_a_job_whose_members_have_moved_on_plans_nothing(state: PartitionState, job: Job) -> None:
    learn(state, end(state, job))
    assert end(state, job) == Verdict(ignored="the job owns no open member")


def test_a_claim_that_the_record_does_not_name_protects_the_job(state: PartitionState, job: Job) -> None:
    learn(state, claimed(state, job.job_id, CLAIM))
    for named in (None, 4, 6):
        assert end(state, job, claim=named) == Verdict(ignored="a claim stands that it does not name")
    assert end(state, job, claim=CLAIM.offset).jobs


@pytest.mark.parametrize(
    ("reason", "attempt", "jobs", "backs_off"),
    [
        (JobEnd.READ, 2, 1, False),
        (JobEnd.REFUSED_CONTENT, 1, 2, False),
        (JobEnd.REFUSED_ACCOUNT, 1, 1, True),
        (JobEnd.NOT_STARTED, 1, 1, False),
        (JobEnd.STARTED_LATE, 1, 1, True),
        (JobEnd.ABSENT, 1, 1, False),
    ],
)
def test_each_reason_has_its_row(
    state: PartitionState, job: Job, reason: JobEnd, attempt: int, jobs: int, backs_off: bool
) -> None:
    verdict = end(state, job, reason)
    assert len(verdict.jobs) == jobs
    assert len({one.job_id for one in verdict.jobs} | {job.job_id}) == jobs + 1
    assert sorted(member for one in verdict.jobs for member in one.plan.members) == list(members(6))
    assert {one.plan.attempt for one in verdict.jobs} == {attempt}
    assert all((one.plan.not_before_ms > 1_000) == backs_off for one in verdict.jobs)


def test_what_cannot_be_tried_again_ends_by_an_error(state: PartitionState, job: Job) -> None:
    verdict = learn(state, end(state, job, at_ms=4 * HOUR_MS))
    assert verdict.jobs == ()
    assert {(outcome.fault.code, outcome.completed_ms) for outcome in verdict.terminal if outcome.fault} == {
        (ErrorCode.TIMEOUT, 4 * HOUR_MS)
    }
    assert all(state.has_ended(member) for member in members(6))


def test_the_code_of_the_provider_ends_the_member_where_it_gave_one(state: PartitionState) -> None:
    (job,) = learn(state, planned(state, 0, 0, plan(members(1), refused=True))).jobs
    verdict = job_ended(
        state,
        9,
        1,
        job_id=job.job_id,
        claim_offset=None,
        reason=JobEnd.REFUSED_CONTENT,
        message="said",
        code=ErrorCode.RATE_LIMIT,
    )
    (outcome,) = verdict.terminal
    assert outcome.fault is not None
    assert (outcome.fault.code, outcome.fault.message) == (ErrorCode.INVALID_REQUEST, "said")
    assert outcome.fault.details["cause"] == Cause.REFUSED_CONTENT.value


def test_a_passed_deadline_ends_those_without_an_outcome_as_its_record_says(state: PartitionState, job: Job) -> None:
    learn(state, outcomes(state, job.job_id, [answered(Member(0, 0))]))
    late = [Overdue(member, "anthropic", "resolved", "batch_api", 900) for member in members(2)]
    (outcome,) = learn(state, deadline_passed(state, 1_000, late)).terminal
    assert (outcome.member, outcome.provider, outcome.model, outcome.completed_ms) == (
        Member(0, 1),
        "anthropic",
        "resolved",
        1_000,
    )
    assert outcome.fault is not None
    assert (outcome.fault.code, outcome.fault.details["passed_by_ms"]) == (ErrorCode.TIMEOUT, 100)
    assert deadline_passed(state, 1_000, late) == Verdict()
