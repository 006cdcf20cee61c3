"""What came back for one comparison, in final values: its event follows from the request and from this alone."""

from msgspec import UNSET, Struct, UnsetType, field

from domain.answer import Answer
from domain.comparison import Member
from domain.reply import Fault, Retry, Usage


class Outcome(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One member's outcome as the work topic carries it.

    Exactly one of answer, fault and retry is set; answer and fault are terminal, a retry leaves the member open.
    Times are milliseconds since the epoch, cost is USD.
    """

    member: Member
    provider: str
    model: str
    completed_ms: int
    mode: str  # per_request | serial_bundle | batch_api, the wire's queue_processing_mode
    answer: Answer | None = None
    fault: Fault | None = None
    retry: Retry | None = None
    response_time_ms: int = 0
    cost_usd: float = 0.0
    usage: Usage = Usage()
    paying_batch: str = field(default="", name="batch")  # the bos_batch_id it was paid for; in bytes `batch`

    @property
    def terminal(self) -> bool:
        """Whether it ends the member."""
        return self.retry is None


ANSWERED = "answered"


class Ending(Struct, frozen=True, gc=False):
    """How one member stands after one work record: ended (`code` is ANSWERED or an error code), or open with its retry."""

    member: Member
    code: str = ""
    job_id: str = ""
    retry: Retry | None = None
    a_won: bool | UnsetType = UNSET  # of an answer: whether Essay A is the winner. Entries of earlier workers do not say it

    @property
    def terminal(self) -> bool:
        """Whether the member ended here."""
        return self.retry is None
