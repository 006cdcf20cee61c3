"""Accounts that may be paused and budgets that may be used up: put together, and looked at as time passes."""

import asyncio
from collections.abc import Mapping

import structlog
from prometheus_client import CollectorRegistry

from agents.accounts.admission import Admission
from agents.accounts.batch_queue import BatchQueue
from agents.accounts.budgets import Budgets
from agents.accounts.pause_file import PauseFile
from agents.accounts.pauses import Pauses
from agents.liveness.heartbeats import silent
from agents.metrics.money import MoneyCounters
from agents.partitions.views import Views
from domain.back_off import BackOff
from providers.account import Account
from providers.prices import price_list, unknown_price
from settings.settings import Settings
from streams import failstop
from streams.clock import Clock

log = structlog.get_logger("money")
_TICK_S = 0.1


class Money:
    """Made once by the worker."""

    def __init__(
        self, settings: Settings, accounts: Mapping[str, Account], views: Views, registry: CollectorRegistry, clock: Clock
    ) -> None:
        self.settings = settings
        counters = MoneyCounters(registry)
        keys = {name: account.provider.key_hash for name, account in accounts.items()}
        back_off = BackOff(settings.backoff_first_s, settings.backoff_max_s)
        self.pauses = Pauses(keys, back_off, PauseFile(settings.state_dir), counters, clock)
        self.budgets = Budgets(settings, views, counters, clock)
        places = {name: settings.provider(name).max_concurrent_calls for name in accounts}
        self.batch_queue = BatchQueue(settings, views, clock)
        self.admission = Admission(places, self.pauses, self.budgets, self.batch_queue)
        self.heartbeat = silent()
        self.models = tuple((name, settings.provider(name).model) for name in accounts)

    def begin(self) -> None:
        """Take over what was paused, say which prices are used and which are not known."""
        self.pauses.recall()
        prices = price_list()
        log.info("prices", list=prices.name, newest=prices.newest)
        for provider, model in self.models:
            if (said := unknown_price(provider, model)) is not None:
                log.warning("price_unknown", provider=provider, model=model, said=said)

    async def run(self) -> None:
        """Wake who may go by now, until cancelled."""
        while True:
            self.heartbeat.beat()
            with failstop.guard("money"):
                self.admission.tick()
            await asyncio.sleep(_TICK_S)
