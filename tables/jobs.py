"""Table `jobs`: what the log has said of each job, one entry a fact, each written once.

partition/job id/planned → Job · partition/job id/claimed → Claim · partition/job id/submitted → Submission.
Gone by dedup retention.
"""

from collections.abc import Iterator

from domain.job import Claim, Job, Submission
from tables.acknowledged import AcknowledgedTable
from tables.codec import Codec

NAME = "jobs"
PLANNED: Codec[Job] = Codec(Job, version=2)  # 2 added: `refused` and `without` of a plan
CLAIMED: Codec[Claim] = Codec(Claim)
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


def facts(table: AcknowledgedTable, partition: int) -> Iterator[tuple[str, Fact]]:
    """All facts of a partition with their job's id."""
    for name, value in table.entries(partition):
        _, job_id, kind = name.decode().split("/")
        yield job_id, CODECS[kind].decode(value)
