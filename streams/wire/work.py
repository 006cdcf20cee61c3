"""The records of the work topic: a closed list, each with a version. Whatever decides something is one of these records."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from domain.job import Plan
from domain.outcome import Outcome
from domain.reconciling import JobEnd, Overdue
from domain.reply import ErrorCode

VERSION: Literal[2] = 2  # 2 added: `refused` and `without` of a plan, `details` of a retry


class NewerRecord(Exception):
    """A record was written by a newer worker than this one, which cannot know what it decides."""


class _Record(BaseModel):
    # Raise VERSION with every change that an older worker could not read: a new field, kind of record, or reason.
    model_config = ConfigDict(frozen=True, extra="forbid")
    v: Literal[1, 2] = VERSION


class JobPlanned(_Record):
    """A window was closed, or a part of it: its members are to be sent in these lines. Sent by the closer."""

    kind: Literal["job_planned"] = "job_planned"
    plan: Plan


class SubmitClaimed(_Record):
    """The dispatcher of the process `worker_run` wants to submit the job, within start_within_s by its own clock."""

    kind: Literal["submit_claimed"] = "submit_claimed"
    job_id: str
    worker_run: str
    start_within_s: float
    key_hash: str


class Submitted(_Record):
    """The provider's id of the job. adopted: it was found in the provider's list, and not returned by the create call."""

    kind: Literal["submitted"] = "submitted"
    job_id: str
    provider_job_id: str
    adopted: bool = False


class Outcomes(_Record):
    """How members ended, in final values. Sent by the dispatcher, and by collect for rejected input (job_id is empty)."""

    kind: Literal["outcomes"] = "outcomes"
    job_id: str = ""
    outcomes: tuple[Outcome, ...]


class JobEnded(_Record):
    """The job is over. claim_offset: the claim that the sender knows of, None where it knows of none."""

    kind: Literal["job_ended"] = "job_ended"
    job_id: str
    claim_offset: int | None
    reason: JobEnd
    message: str = ""
    code: ErrorCode | None = None
    answered: int = 0
    retryable: int = 0


class DeadlinePassed(_Record):
    """These members' deadlines have passed. Sent by timers."""

    kind: Literal["deadline_passed"] = "deadline_passed"
    overdue: tuple[Overdue, ...]


class CancelRequested(_Record):
    """Somebody wants pending members no more: those of the cj_batch's rounds, and those with these correlation ids.

    Sent by the CLI to every partition, for only the producer's partitioner knows which one holds a batch. It decides nothing:
    reconcile answers it with Outcomes, and these decide.
    """

    kind: Literal["cancel_requested"] = "cancel_requested"
    batch: str | None = None
    ids: tuple[str, ...] = ()


class RequestsDone(_Record):
    """All members of these inbound records have acknowledged outcomes and events: their `requests` entries may go."""

    kind: Literal["requests_done"] = "requests_done"
    offsets: tuple[int, ...]


WorkRecord = JobPlanned | SubmitClaimed | Submitted | Outcomes | JobEnded | DeadlinePassed | CancelRequested | RequestsDone
_ADAPTER: TypeAdapter[WorkRecord] = TypeAdapter(Annotated[WorkRecord, Field(discriminator="kind")])


def encode(record: WorkRecord) -> bytes:
    """The record's bytes: JSON, every field written."""
    return record.model_dump_json(by_alias=True).encode()


def decode(raw: bytes) -> WorkRecord:
    """Read a record. Raises NewerRecord, and pydantic.ValidationError for bytes that are not one of our records."""
    try:
        return _ADAPTER.validate_json(raw)
    except ValidationError:
        version = _version(raw)
        if version > VERSION:
            raise NewerRecord(
                f"a work record has version {version}, this worker reads up to {VERSION}: run the newer worker again"
            ) from None
        raise


def _version(raw: bytes) -> int:
    try:
        found = from_json(raw)
    except ValueError:
        return 0
    version = found.get("v") if isinstance(found, dict) else None
    return version if type(version) is int else 0
