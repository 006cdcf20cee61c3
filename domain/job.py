"""A job: one unit of work at a provider, from its plan to its end."""

from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from domain.comparison import Member

JobKey = tuple[int, str]  # partition, job id

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

Layout = Literal["auto", "verbatim", "shared_essays"]  # how a bundle is written: docs/bundles.md


class Transport(StrEnum):
    """How a job is sent."""

    BATCH = "batch"
    CALL = "call"


class ClosedBy(StrEnum):
    """Why the window was closed, or what planned the job again."""

    COMPLETE = "complete"
    FULL = "full"
    QUIET = "quiet"
    AGE = "age"
    AT_ONCE = "at_once"
    SCHEDULE = "schedule"
    REPLANNED = "replanned"


class Policy(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The settings under which a job was planned. Replanning uses these and not the present settings."""

    attempts: int = 3
    retry_batch_min: int = 4
    backoff_first_s: float = 30.0
    backoff_max_s: float = 900.0
    near_deadline_s: float = 1800.0
    escalate_before_s: float = 0.0  # 0: a batch is never escalated
    layout: Layout = "auto"


class Form(StrEnum):
    """How a shadow asks its comparison, in either case alone: as it was requested, or with the essays swapped."""

    AGAIN = "again"
    SWAPPED = "swapped"


class Shadow(Struct, frozen=True, gc=False, order=True, omit_defaults=True, forbid_unknown_fields=True):
    """A line without members: it asks a member once more, to compare its answer with the one that the member's line brings.

    It owns nothing, ends nothing and makes no event. number: which one of its form it is, from 1. layout: how the line that it
    audits is written, as far as that is known when it is planned.
    """

    member: Member
    form: Form
    number: int
    layout: Layout = "verbatim"


class Plan(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What is to be sent: lines of 1 … n members, how, to whom, and the earliest time (not_before_ms, since the epoch)."""

    provider: str
    model: str
    transport: Transport
    mode: str
    lines: tuple[tuple[Member, ...], ...]
    deadline_ms: int
    closed_by: ClosedBy
    round_key: str
    policy: Policy
    attempt: int = 1
    deferrals: int = 0  # waits with a back-off so far
    not_before_ms: int = 0
    refused: bool = False  # each of its comparisons was refused once when it was asked alone; the next refusal ends it
    without: int = 0  # how often its comparisons were asked again without a parameter that the model does not take
    last_deadline_ms: int = 0  # of its youngest member, 0: the same for all. Timers end each member at its own deadline
    # Written only where there are any, so that a worker of before audits reads all other plans (`shadows` reads it).
    shadow_lines: tuple[Shadow, ...] | UnsetType = field(default=UNSET, name="shadows")

    @property
    def shadows(self) -> tuple[Shadow, ...]:
        """The lines that audit others; they ride in the job, at the place of their number behind its lines."""
        return self.shadow_lines or ()

    @property
    def escalate_at_ms(self) -> int | None:
        """When the batch is to be escalated, that is, given up for calls; None: never."""
        if self.transport is not Transport.BATCH or not self.policy.escalate_before_s:
            return None
        return self.deadline_ms - int(self.policy.escalate_before_s * 1000)

    @property
    def members(self) -> tuple[Member, ...]:
        """All members, in line order."""
        return tuple(member for line in self.lines for member in line)

    @property
    def size(self) -> int:
        """How many members it has."""
        return sum(map(len, self.lines))

    def only(self, members: "frozenset[Member] | set[Member]") -> "Plan":
        """The same plan with only these members and their shadows; lines that become empty are left out."""
        kept = (tuple(member for member in line if member in members) for line in self.lines)
        audits = tuple(shadow for shadow in self.shadows if shadow.member in members) or UNSET
        return replace(self, lines=tuple(line for line in kept if line), shadow_lines=audits)


class Claim(Struct, frozen=True, gc=False, omit_defaults=True):
    """The right to submit, as read back from the log. A claim is named by its offset.

    shadows: whether the job's shadows go with it, for there was money for them as well.
    """

    offset: int
    worker_run: str
    append_ms: int
    start_within_s: float
    key_hash: str
    shadows: bool = True


class Submission(Struct, frozen=True, gc=False):
    """The provider's id of the batch."""

    offset: int
    provider_job_id: str
    append_ms: int
    adopted: bool = False


class Job(Struct, frozen=True, gc=False):
    """A planned job, with what the log has said about it so far."""

    job_id: str
    offset: int
    append_ms: int
    plan: Plan
    claim: Claim | None = None
    submission: Submission | None = None

    @property
    def last_offset(self) -> int:
        """The work offset of its latest fact. The job may be acted upon once the record at that offset is acked."""
        return max(
            self.offset,
            self.claim.offset if self.claim else -1,
            self.submission.offset if self.submission else -1,
        )

    def custom_id(self, line: int) -> str:
        """The id of one line at the provider, `^[a-zA-Z0-9_-]{1,64}$`."""
        return f"{self.job_id}-{line}"

    def shadow_id(self, number: int) -> str:
        """The id of one of its shadows at the provider, likewise; `number` counts them from 0."""
        return f"{self.job_id}-s{number}"


def make_job_id(partition: int, offset: int, append_ms: int, number: int) -> str:
    """The id of the number-th job that one work record plans.

    It follows from the log alone. The append time is in it because offsets start at 0 again when a topic is made again.
    """
    return f"rb-{partition}-{offset}-{_base36(append_ms)}-{number}"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits or "0"
