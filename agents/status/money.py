"""What /status, and the gauges of a scrape, tell of accounts and money."""

from agents.accounts.money import Money
from agents.accounts.pauses import Pauses
from providers.prices import price_list
from streams.wire.status.money import (
    PAUSED,
    TRYING,
    AccountAvailability,
    Day,
    MoneyStatus,
    PaidBatch,
    PaidBatches,
    Prices,
    WaitingForMoney,
)

_BATCHES_SHOWN = 10


def money_status(money: Money) -> MoneyStatus:
    """Accounts and money at this moment."""
    budget, budgets, prices = money.settings.budget, money.budgets, price_list()
    fullest = budgets.fullest_batches(_BATCHES_SHOWN if budget.batch_usd else 0)
    return MoneyStatus(
        accounts=[_account(name, money.pauses) for name, _ in money.models],
        day=Day(budget.day_usd, budgets.share_usd, budgets.spent_today(), budgets.reserved(), ends_ms=budgets.day_ends_ms()),
        batch=PaidBatches(budget.batch_usd, [PaidBatch(*one) for one in fullest]),
        excess=budget.excess,
        held=WaitingForMoney(*budgets.waiting()),
        prices=Prices(
            prices.name, prices.newest, [(name, model, money.prices.is_known(name, model)) for name, model in money.models]
        ),
    )


def _account(name: str, pauses: Pauses) -> AccountAvailability:
    pause, waiting_jobs = pauses.pause_of(name), pauses.waiting(name)
    if pause is None:
        return AccountAvailability(name, waiting_jobs)
    return AccountAvailability(
        name,
        waiting_jobs,
        state=TRYING if pause.trier else PAUSED,
        reason=pause.trouble.value,
        code=pause.code.value,
        message=pause.message,
        since_ms=pause.since_ms,
        next_try_s=pauses.next_try_s(name),
        tries=pause.tries,
    )
