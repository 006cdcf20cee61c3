"""Table `jobs`: what the log has said of each job, one entry a fact, each written once.

partition/job id/planned → Job · partition/job id/claimed → Claim · partition/job id/submitted → Submission.
Gone by dedup retention.

Its rows (tables.index): `m` inbound offset, job id → the job was planned with a member of that record · `s` append time, job id
→ the work offset of its submission · `k` work offset → append time of a record of which there is a fact.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from domain.job import Claim, Job, Submission
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec
from tables.index import Get, Row, number, number_at

NAME = "jobs"
# 2 added: `refused` and `without` of a plan; 3: its shadows
PLANNED: Codec[Job] = Codec(Job, version=3, lowest=lambda job: 3 if job.plan.shadows else 2)
CLAIMED: Codec[Claim] = Codec(Claim, version=2, lowest=lambda claim: 1 if claim.shadows else 2)  # 2 added: `shadows`
SUBMITTED: Codec[Submission] = Codec(Submission)

Fact = Job | Claim | Submission
CODECS: dict[str, Codec[Job] | Codec[Claim] | Codec[Submission]] = {
    "planned": PLANNED,
    "claimed": CLAIMED,
    "submitted": SUBMITTED,
}


def key(partition: int, job_id: str, fact: str) -> bytes:
    """The key of one fact of a job."""
    return f"{partition}/{job_id}/{fact}".encode()


def put_planned(table: AcknowledgedTable, partition: int, job: Job) -> "asyncio.Future[Any]":
    """Put that a job is planned."""
    return table.put(partition, key(partition, job.job_id, "planned"), PLANNED.encode(job), _rows(job.job_id, job))


def put_claimed(table: AcknowledgedTable, partition: int, job_id: str, claim: Claim) -> "asyncio.Future[Any]":
    """Put a job's claim."""
    return table.put(partition, key(partition, job_id, "claimed"), CLAIMED.encode(claim), _rows(job_id, claim))


def put_submitted(table: AcknowledgedTable, partition: int, job_id: str, submission: Submission) -> "asyncio.Future[Any]":
    """Put a job's submission."""
    return table.put(partition, key(partition, job_id, "submitted"), SUBMITTED.encode(submission), _rows(job_id, submission))


def derive(name: bytes, value: bytes, before: bytes | None, get: Get) -> Iterator[Row]:
    """The rows of an entry that is read from the changelog."""
    _, job_id, kind = name.decode().split("/")
    return _rows(job_id, CODECS[kind].decode(value))


def _rows(job_id: str, fact: Fact) -> Iterator[Row]:
    yield b"k" + number(fact.offset), number(fact.append_ms)
    if isinstance(fact, Job):
        for offset in {member.offset for line in fact.plan.lines for member in line}:
            yield b"m" + number(offset) + job_id.encode(), b""
    elif isinstance(fact, Submission):
        yield b"s" + number(fact.append_ms) + job_id.encode(), number(fact.offset)


def facts(table: AcknowledgedTable, partition: int, job_id: str) -> Iterator[Fact]:
    """What is known of a job."""
    for kind, codec in CODECS.items():
        value = table.find(partition, key(partition, job_id, kind))
        if value is not None:
            yield codec.decode(value)


def of_records(table: AcknowledgedTable, partition: int, offsets: Sequence[int], beyond: int) -> Iterator[str]:
    """The jobs that were planned with a member of the records at these offsets, in order, or at `beyond` and after it."""
    for row, _ in table.rows_at(partition, b"m", offsets):
        yield row[9:].decode()
    for row, _ in table.rows(partition, b"m" + number(beyond), b"n"):
        yield row[9:].decode()


def first_submitted(table: AcknowledgedTable, partition: int, since_ms: int) -> int | None:
    """The work offset of the first submission at this time or later."""
    rows = table.rows(partition, b"s" + number(max(0, since_ms)), b"t")
    return next((number_at(told, 0) for _, told in rows), None)


def latest(table: AcknowledgedTable, partition: int) -> tuple[int, int] | None:
    """Offset and append time of the latest work record of which there is a fact."""
    row = table.last_row(partition, b"k")
    return None if row is None else (number_at(row[0], 1), number_at(row[1], 0))
