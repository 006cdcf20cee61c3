"""Whether there is money for a job: what it may cost at most, against budgets that are partly spent and partly reserved."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from domain.admission import AdmissionVerdict, Decision

_ROUNDING_USD = 1e-9  # sums of floats are not exact: a job that wants just what is left must go


class Excess(StrEnum):
    """What becomes of a job that a budget has no room for (setting BUDGET__EXCESS)."""

    HOLD = "hold"  # it waits for the next day, a raised budget, money given back, or its deadline
    REFUSE = "refuse"  # its comparisons end in QUOTA_EXCEEDED


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget (USD) and what a job wants of it. `name` is put into sentences: "the budget of the day"."""

    name: str
    limit_usd: float
    spent_usd: float
    reserved_usd: float
    wanted_usd: float

    @property
    def fits(self) -> bool:
        """Whether there is as much left as the job wants."""
        return self.spent_usd + self.reserved_usd + self.wanted_usd <= self.limit_usd + _ROUNDING_USD

    def __str__(self) -> str:
        return (
            f"{self.name}, USD {self.limit_usd:.4g}, has no room for a job of at most USD {self.wanted_usd:.4g}: "
            f"{self.spent_usd:.4g} are spent and {self.reserved_usd:.4g} reserved"
        )


def decide(budgets: Iterable[Budget], *, members: int, excess: Excess) -> Decision:
    """Decide on a job as a whole, for a round that is answered only in part is paid in vain.

    A job that wants more than a budget's limit is split, however much is spent, as long as it has more than one member.
    """
    over = [budget for budget in budgets if not budget.fits]
    if not over:
        return Decision(AdmissionVerdict.GO)
    message = "; ".join(str(budget) for budget in over)
    if members > 1 and any(budget.wanted_usd > budget.limit_usd + _ROUNDING_USD for budget in over):
        return Decision(AdmissionVerdict.SPLIT, message)
    return Decision(AdmissionVerdict.NO_MONEY if excess is Excess.HOLD else AdmissionVerdict.REFUSE, message)


def day_of(now_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """The first moment of the day in which `now_ms` lies, and of the next day (ms since the epoch)."""
    day = datetime.fromtimestamp(now_ms / 1000, zone).date()
    begins, ends = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    return int(begins.timestamp() * 1000), int(ends.timestamp() * 1000)
