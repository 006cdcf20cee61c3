"""Whether a planned job may go now, and if not, why."""

from dataclasses import dataclass
from enum import StrEnum

from domain.reply import ErrorCode


class AdmissionVerdict(StrEnum):
    """Whether a job may go. It waits for what the next five name; the last two say that waiting would not help."""

    GO = "go"
    PAUSED = "paused"  # its account is
    NO_PLACE = "no_place"
    QUEUE_FULL = "queue_full"  # the provider's batch queue, as far as it is this worker's
    NO_MONEY = "no_money"  # a budget has no room, and BUDGET__EXCESS=hold
    CATCHING_UP = "catching_up"  # partitions are: what was spent is not known yet
    REFUSE = "refuse"  # a budget has no room, and BUDGET__EXCESS=refuse; or the model has no price
    SPLIT = "split"  # it wants more than a whole budget, so it could never go, but its halves may


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on a job, why it is not GO, and the error code of comparisons that end because of it."""

    verdict: AdmissionVerdict
    message: str = ""
    code: ErrorCode = ErrorCode.QUOTA_EXCEEDED

    @property
    def waits(self) -> bool:
        """Whether the job stays planned, to be asked about again when it is woken."""
        return self.verdict not in _NOT_WAITING


_NOT_WAITING = frozenset({AdmissionVerdict.GO, AdmissionVerdict.REFUSE, AdmissionVerdict.SPLIT})
