"""The records of the work topic: a closed list, each with a version. Whatever decides something is one of these records."""

from typing import Any

import msgspec
from msgspec import Struct

from domain.auditing import ShadowReply
from domain.job import Plan
from domain.outcome import Outcome
from domain.reconciling import JobEnd, Overdue
from domain.reply import ErrorCode

# 2 added: `refused` and `without` of a plan, `details` of a retry; 3: Several; 4: BundlesLimited, JudgementAcknowledged,
# Audited, shadows of plans and claims. Each record bears the lowest version whose workers can read it, so that an older
# worker stops at what is new to it alone.
VERSION = 4
_BASE = 2  # of a record that holds nothing newer


class NewerRecord(Exception):
    """A record was written by a newer worker than this one, which cannot know what it decides."""


class Undecodable(ValueError):
    """Bytes that are none of our records, so that no worker has written them."""


class _Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    # Raise VERSION with every change that an older worker could not read: a new field, kind of record, or reason. In the bytes
    # the version stands before the other fields; the values within a record refuse unknown fields too. A record bears the
    # lowest version whose workers can read it (`_version`), so that an older worker stops at what is new to it alone.

    @property
    def kind(self) -> str:
        """The name of the kind of record, as it is in the bytes."""
        return str(self.__struct_config__.tag)


class JobPlanned(_Record, frozen=True, tag="job_planned"):
    """A window was closed, or a part of it: its members are to be sent in these lines. Sent by the closer."""

    plan: Plan


class SubmitClaimed(_Record, frozen=True, omit_defaults=True, tag="submit_claimed"):
    """The dispatcher of the process `worker_run` wants to submit the job, within start_within_s by its own clock.

    shadows: whether with its shadows. False where a budget has no room for them.
    """

    job_id: str
    worker_run: str
    start_within_s: float
    key_hash: str
    shadows: bool = True


class Submitted(_Record, frozen=True, tag="submitted"):
    """The provider's id of the job. adopted: it was found in the provider's list, and not returned by the create call."""

    job_id: str
    provider_job_id: str
    adopted: bool = False


class Outcomes(_Record, frozen=True, kw_only=True, tag="outcomes"):
    """How members ended, in final values. Sent by the dispatcher, and by collect for rejected input (job_id is empty)."""

    job_id: str = ""
    outcomes: tuple[Outcome, ...]


class Audited(_Record, frozen=True, tag="audited"):
    """What came back for the shadows of a job, or why nothing did. It ends no member, and no event comes of it."""

    job_id: str
    completed_ms: int
    replies: tuple[ShadowReply, ...]


class JobEnded(_Record, frozen=True, tag="job_ended"):
    """The job is over. claim_offset: the claim that the sender knows of, None where it knows of none."""

    job_id: str
    claim_offset: int | None
    reason: JobEnd
    message: str = ""
    code: ErrorCode | None = None
    answered: int = 0
    retryable: int = 0


class DeadlinePassed(_Record, frozen=True, tag="deadline_passed"):
    """These members' deadlines have passed. Sent by timers."""

    overdue: tuple[Overdue, ...]


class CancelRequested(_Record, frozen=True, tag="cancel_requested"):
    """Somebody wants pending members no more: those of the cj_batch's rounds, and those with these correlation ids.

    Sent by the CLI to every partition, for only the producer's partitioner knows which one holds a batch. It decides nothing:
    reconcile answers it with Outcomes, and these decide.
    """

    batch: str | None = None
    ids: tuple[str, ...] = ()


class RequestsDone(_Record, frozen=True, tag="requests_done"):
    """All members of these inbound records have acknowledged outcomes and events: their `requests` entries may go."""

    offsets: tuple[int, ...]


class BundlesLimited(_Record, frozen=True, tag="bundles_limited"):
    """From this record on, at most so many comparisons of this model go into one line; 0: as many as settings say.

    since_ms: when it was said; 0: when this record was appended. One that is sent again names it, and of two the later one
    counts. Nothing that is planned changes. Sent to every partition, by the CLI and by a worker that finds its judge bent.
    """

    provider: str
    model: str
    most: int
    reason: str = ""
    since_ms: int = 0


class JudgementAcknowledged(_Record, frozen=True, tag="judgement_acknowledged"):
    """Somebody knows that this model's judge is bent: its alarm counts only what comes after this. Sent to every partition."""

    provider: str
    model: str
    reason: str = ""
    since_ms: int = 0


_Gathered = JobPlanned | SubmitClaimed | Submitted | Outcomes | Audited


class Several(_Record, frozen=True, tag="several"):
    """Records that one worker has sent in one turn of its event loop, as one: they have one offset, and are decided at once.

    Each is decided by the state before all of them; no two are about the same job. The number of a job planned here is its
    record's place. Sent by closer and dispatcher (agents.records.work_log).
    """

    records: tuple[_Gathered, ...]


WorkRecord = (
    _Gathered | JobEnded | DeadlinePassed | CancelRequested | RequestsDone | BundlesLimited | JudgementAcknowledged | Several
)
_DECODER: msgspec.json.Decoder[WorkRecord] = msgspec.json.Decoder(WorkRecord)
_ENCODE = msgspec.json.Encoder().encode
_BEGIN = b'{"v":%d,'
_BEGINS = tuple(_BEGIN % version for version in range(1, VERSION + 1))  # as this worker writes, and those before it have
_CUT = len(_BEGINS[0])


def encode(record: WorkRecord) -> bytes:
    """The record's bytes: JSON, every field written."""
    return _BEGINS[_version(record) - 1] + _ENCODE(record)[1:]


def _version(record: WorkRecord) -> int:
    """The lowest version whose workers can read it."""
    match record:
        case Several():
            return max((3, *map(_version, record.records)))
        case JobPlanned():
            return 4 if record.plan.shadows else _BASE
        case SubmitClaimed():
            return _BASE if record.shadows else 4
        case Audited() | BundlesLimited() | JudgementAcknowledged():
            return 4
        case _:
            return _BASE


def parts(record: WorkRecord) -> tuple[WorkRecord, ...]:
    """The records that this one holds, or it alone."""
    return record.records if type(record) is Several else (record,)


def decode(raw: bytes) -> WorkRecord:
    """Read a record. Raises NewerRecord, and Undecodable for bytes that are not one of our records."""
    try:
        if raw.startswith(_BEGINS):
            return _DECODER.decode(b"{" + raw[_CUT:])
    except (ValueError, RecursionError):
        pass  # the way below says what is wrong with it
    try:
        found = msgspec.json.decode(raw, type=dict[str, Any])
        version = found.pop("v", VERSION)
        if type(version) is int and version > VERSION:
            raise NewerRecord(
                f"a work record has version {version}, this worker reads up to {VERSION}: run the newer worker again"
            )
        if type(version) is not int or version < 1:
            raise Undecodable(f"a work record's version is a number from 1 to {VERSION}, and not {version!r:.80}")
        return msgspec.convert(found, WorkRecord)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(f"not a work record: {error}") from None
