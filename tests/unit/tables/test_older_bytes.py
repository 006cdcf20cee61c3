"""Bytes of every kind of record and table value as a worker before msgspec wrote them (by pydantic): read, and written alike.

`older_bytes.json` was written by that worker from the very values below; it must not be made anew. One thing is written
otherwise now, and means the same: a float of 1e16 and more has no plus sign in its exponent.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from domain.answer import Answer
from domain.comparison import Member
from domain.job import Claim, ClosedBy, Job, Plan, Policy, Submission, Transport
from domain.outcome import Ending, Outcome
from domain.partition.payments import Paid
from domain.reconciling import JobEnd, Overdue
from domain.reply import Cause, ErrorCode, Fault, Retry, Usage
from domain.rounds import Arrival, RoundEntry, Standing
from streams.wire import work
from tables import jobs, outcomes, rounds

WRITTEN: dict[str, str] = json.loads(Path(__file__).with_name("older_bytes.json").read_text())
ODD = 'åäö "quoted" \\ / \t\n\x00\x1f\x7f\u2028 … 😀'
DETAILS: dict[str, Any] = {
    "n": [1, -2.5, None, True, {"å": ODD}],
    "large": 2**53 + 1,
    "larger": 10**30,
    "small": 1e-7,
    "e": 1e22,
}
RAW = {"input_tokens": 900, "details": {"cached": 0, "rate": 0.1, "none": None}, "list": [[], {}], "much": 1.5e300}
PLAN = Plan(
    provider="openai",
    model="gpt-6-luna",
    transport=Transport.BATCH,
    mode="batch_api",
    lines=((Member(41, 0), Member(41, 1)), (Member(2**40, 9_999),)),
    deadline_ms=1_795_014_400_123,
    closed_by=ClosedBy.COMPLETE,
    round_key=f"cj:{ODD}:0",
    policy=Policy(5, 1, 0.5, 1e3, 1_800.0, 3_600.25, "shared_essays"),
    attempt=2,
    deferrals=3,
    not_before_ms=1_795_000_000_000,
    refused=True,
    without=1,
    last_deadline_ms=1_795_014_400_124,
)
OUTCOMES = (
    Outcome(
        Member(41, 0),
        "openai",
        "gpt-6-luna",
        1_795_000_000_999,
        "batch_api",
        answer=Answer("Essay A", ODD, 4.25),
        response_time_ms=5,
        cost_usd=0.000123,
        usage=Usage(900, 60, 3, 4, RAW),
        paying_batch="bos-7",
    ),
    Outcome(Member(41, 1), "mock", "m", 7, "per_request", fault=Fault(ErrorCode.TIMEOUT, ODD, DETAILS)),
    Outcome(Member(41, 2), "mock", "m", 7, "serial_bundle", retry=Retry(Cause.CUT, ErrorCode.INVALID_RESPONSE, "cut", DETAILS)),
)
RECORDS: dict[str, work.WorkRecord] = {
    "job_planned": work.JobPlanned(plan=PLAN),
    "submit_claimed": work.SubmitClaimed(job_id="rb-0-1-x-0", worker_run="run", start_within_s=30.0, key_hash="0123456789ab"),
    "submitted": work.Submitted(job_id="rb-0-1-x-0", provider_job_id="batch_å", adopted=True),
    "outcomes": work.Outcomes(job_id="rb-0-1-x-0", outcomes=OUTCOMES),
    "outcomes_of_collect": work.Outcomes(outcomes=OUTCOMES[1:2]),
    "job_ended": work.JobEnded(job_id="rb-0-1-x-0", claim_offset=None, reason=JobEnd.READ, answered=12, retryable=1),
    "job_ended_with_code": work.JobEnded(
        job_id="j", claim_offset=7, reason=JobEnd.REFUSED_ACCOUNT, message=ODD, code=ErrorCode.QUOTA_EXCEEDED
    ),
    "deadline_passed": work.DeadlinePassed(
        overdue=(
            Overdue(Member(1, 2), "openai", "m", "batch_api", 9),
            Overdue(Member(1, 3), "a", "m", "n", 9, ErrorCode.TIMEOUT, ODD),
        )
    ),
    "cancel_requested": work.CancelRequested(batch=ODD, ids=("a", "b")),
    "cancel_requested_of_none": work.CancelRequested(),
    "requests_done": work.RequestsDone(offsets=(1, 2**40)),
}
CLAIM, SUBMISSION = Claim(3, "run", 4, 29.5, "0123456789ab"), Submission(5, "batch_å", 6, adopted=True)
ENTRY = RoundEntry(
    f"cj:{ODD}:1",
    41,
    1_795_000_000_123,
    (
        Arrival(
            position=0,
            correlation_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
            content_sha256="ab" * 32,
            standing=Standing.ACCEPTED,
            provider="openai",
            model="gpt-6-luna",
            strategy="serial_bundle",
            profile="0123456789abcdef",
            prompt_bytes=5_321,
            deadline_ms=1_795_014_400_123,
            bundle_hint=12,
            paying_batch="bos-7",
            max_tokens=400,
            essays=(-(2**63), 2**63 - 1),
        ),
        Arrival(1, "id-1", "c1", Standing.REJECTED, "mock", ODD, fault=Fault(ErrorCode.VALIDATION_ERROR, ODD, DETAILS)),
        Arrival(2, "id-2", "c2", Standing.DUPLICATE),
        Arrival(3, "id-3", "c3", Standing.CONFLICT),
    ),
    announced=None,
    piece=1,
)
ENDINGS = outcomes.Endings(
    9,
    (
        Ending(Member(41, 0), "answered"),
        Ending(Member(41, 1), "TIMEOUT"),
        Ending(Member(41, 2), "", "j", Retry(Cause.REFUSED_ALONE, ErrorCode.INVALID_REQUEST, ODD, DETAILS)),
    ),
    (Paid("bos-7", 1_795_000_900_000, 0.1 + 0.2), Paid("", 1, 1e-9)),
)
VALUES: dict[str, tuple[Any, Any]] = {
    "table_rounds": (rounds.CODEC, ENTRY),
    "table_outcomes": (outcomes.CODEC, ENDINGS),
    "table_jobs_planned": (jobs.PLANNED, Job("rb-0-1-x-0", 1, 2, PLAN)),
    "table_jobs_planned_with_all": (jobs.PLANNED, Job("rb-0-1-x-0", 1, 2, PLAN, CLAIM, SUBMISSION)),
    "table_jobs_claimed": (jobs.CLAIMED, CLAIM),
    "table_jobs_submitted": (jobs.SUBMITTED, SUBMISSION),
}


def without_plus(written: str) -> bytes:
    return re.sub(r"(?<=\de)\+(?=\d)", "", written).encode()


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_the_work_topic(name: str) -> None:
    assert work.decode(WRITTEN[name].encode()) == RECORDS[name]
    assert work.encode(RECORDS[name]) == without_plus(WRITTEN[name])


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_a_table(name: str) -> None:
    codec, value = VALUES[name]
    assert codec.decode(WRITTEN[name].encode()) == value
    assert codec.encode(value) == without_plus(WRITTEN[name])


def test_none_is_left_out() -> None:
    assert {*RECORDS, *VALUES} == {*WRITTEN}
    newer = {work.Several, work.BundlesLimited, work.JudgementAcknowledged, work.Audited}
    older = set(work.WorkRecord.__args__) - newer  # type: ignore[attr-defined]
    assert {type(record) for record in RECORDS.values()} == older


def test_a_record_of_several_holds_them_as_they_are_written_alone() -> None:
    told = [name for name in RECORDS if name.startswith(("job_planned", "submit", "outcomes"))]
    several = work.Several(records=tuple(RECORDS[name] for name in told))  # type: ignore[misc]
    alone = [without_plus(WRITTEN[name]).replace(b'"v":2,', b"", 1) for name in told]
    assert work.encode(several) == b'{"v":3,"kind":"several","records":[' + b",".join(alone) + b"]}"
    assert work.decode(work.encode(several)) == several
