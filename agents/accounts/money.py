"""Pauses, budgets, the batch queue and admission, put together: what decides whether jobs go, looked at as time passes."""

import asyncio
from collections.abc import Mapping

import structlog

from agents.accounts.admission import Admission
from agents.accounts.batch_queue import BatchQueue
from agents.accounts.budgets import Budgets
from agents.accounts.pauses import Pauses
from agents.liveness.heartbeats import Heartbeat
from providers.account import Account
from providers.prices import price_list
from settings.settings import Settings
from streams import failstop

log = structlog.get_logger("money")
_TICK_S = 0.1


class Money:
    """What decides whether jobs go. The worker runs it; the status reads from it."""

    def __init__(
        self,
        settings: Settings,
        accounts: Mapping[str, Account],
        pauses: Pauses,
        budgets: Budgets,
        batch_queue: BatchQueue,
        admission: Admission,
    ) -> None:
        self.settings = settings
        self.pauses, self.budgets, self.batch_queue, self.admission = pauses, budgets, batch_queue, admission
        self.prices = budgets.prices
        self.models = tuple((name, settings.provider(name).model) for name in accounts)

    def begin(self) -> None:
        """Take over what was paused; log which price list is used, and which models have no price in it."""
        self.pauses.recall()
        listed = price_list()
        log.info("prices", list=listed.name, newest=listed.newest)
        for provider, model in self.models:
            for event, said in self.prices.told_at_start(provider, model):
                log.warning(event, provider=provider, model=model, said=said)

    async def run(self, heartbeat: Heartbeat) -> None:
        """Wake the jobs that may go by now, again and again until cancelled."""
        while True:
            heartbeat.beat()
            with failstop.guard("money"):
                self.admission.tick()
            await asyncio.sleep(_TICK_S)
