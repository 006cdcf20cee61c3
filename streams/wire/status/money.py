"""Accounts that may be paused, what is spent and reserved, and by which prices (docs/spending.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

OPEN, TRYING, PAUSED = "open", "trying", "paused"
_WORST = {PAUSED: 0, TRYING: 1, OPEN: 2}


@dataclass(frozen=True, slots=True)
class AccountAvailability:
    """OPEN; or PAUSED, or TRYING whether it is open again: why, since when, and when it is tried next."""

    account: str
    waiting_jobs: int
    state: str = OPEN
    reason: str = ""
    code: str = ""
    message: str = ""
    since_ms: int = 0
    next_try_s: float = 0.0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """The day's money. limit_usd: everybody's; share_usd: this worker's of it; both null without a budget."""

    limit_usd: float | None
    share_usd: float | None
    spent_usd: float
    reserved_usd: float
    ends_ms: int


@dataclass(frozen=True, slots=True)
class PaidBatch:
    """A `bos_batch_id`, and what its comparisons have cost and may cost yet."""

    batch: str
    spent_usd: float
    reserved_usd: float


@dataclass(frozen=True, slots=True)
class PaidBatches:
    """The budget of each, and those that have used most of it; none without a budget."""

    limit_usd: float | None
    fullest: Sequence[PaidBatch]


@dataclass(frozen=True, slots=True)
class WaitingForMoney:
    """How many jobs and comparisons do."""

    jobs: int
    comparisons: int


@dataclass(frozen=True, slots=True)
class Prices:
    """The price list, the day of its newest price, and of each configured (provider, model) whether it knows it."""

    list: str
    newest: str
    models: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class MoneyStatus:
    """All of it. excess: what becomes of jobs that exceed a budget, `hold` or `refuse`. held: jobs that wait for money."""

    accounts: Sequence[AccountAvailability]
    day: Day
    batch: PaidBatches
    excess: str
    held: WaitingForMoney
    prices: Prices

    @classmethod
    def merge(cls, several: Sequence[MoneyStatus]) -> MoneyStatus | NoMoney:
        """Money and what waits are sums, an account is as its worst worker says; all else is told by the first worker."""
        if not several:
            return NoMoney()
        accounts: dict[str, AccountAvailability] = {}
        for one in (account for money in several for account in money.accounts):
            before = accounts.get(one.account, one)
            waiting = one.waiting_jobs + (before.waiting_jobs if one.account in accounts else 0)
            worst = one if _WORST.get(one.state, 0) < _WORST.get(before.state, 0) else before
            accounts[one.account] = replace(worst, waiting_jobs=waiting)
        return replace(
            several[0],
            accounts=list(accounts.values()),
            day=replace(
                several[0].day,
                spent_usd=sum(money.day.spent_usd for money in several),
                reserved_usd=sum(money.day.reserved_usd for money in several),
            ),
            held=WaitingForMoney(sum(money.held.jobs for money in several), sum(money.held.comparisons for money in several)),
        )


@dataclass(frozen=True, slots=True)
class NoMoney:
    """Of no worker at all."""
