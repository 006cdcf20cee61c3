"""Accounts that may be paused and budgets that may be used up: put together, told of, looked at as time passes."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from agents.accounts.admission import Admission
from agents.accounts.batch_queue import BatchQueue
from agents.accounts.budgets import Budgets
from agents.accounts.pause_file import PauseFile
from agents.accounts.pauses import Pauses
from agents.liveness.heartbeats import silent
from agents.metrics.money import MoneyCollector, MoneyCounters
from agents.partitions.views import Views
from domain.back_off import BackOff
from providers.account import Account
from providers.prices import is_known, price_list, unknown_price
from settings.settings import Settings
from streams import failstop
from streams.clock import Clock

log = structlog.get_logger("money")
_TICK_S = 0.1
_BATCHES_SHOWN = 10


class Money:
    """Made once by the worker."""

    def __init__(
        self, settings: Settings, accounts: Mapping[str, Account], views: Views, registry: CollectorRegistry, clock: Clock
    ) -> None:
        self._settings, self._registry = settings, registry
        counters = MoneyCounters(registry)
        keys = {name: account.provider.key_hash for name, account in accounts.items()}
        back_off = BackOff(settings.backoff_first_s, settings.backoff_max_s)
        self.pauses = Pauses(keys, back_off, PauseFile(settings.state_dir), counters, clock)
        self.budgets = Budgets(settings, views, counters, clock)
        places = {name: settings.provider(name).max_concurrent_calls for name in accounts}
        self.batch_queue = BatchQueue(settings, views, clock)
        self.admission = Admission(places, self.pauses, self.budgets, self.batch_queue)
        self.heartbeat = silent()
        self._models = tuple((name, settings.provider(name).model) for name in accounts)

    def begin(self) -> None:
        """Take over what was paused, say which prices are used and which are not known, and offer the gauges."""
        self.pauses.recall()
        prices = price_list()
        log.info("prices", list=prices.name, newest=prices.newest)
        for provider, model in self._models:
            if (said := unknown_price(provider, model)) is not None:
                log.warning("price_unknown", provider=provider, model=model, said=said)
        self._registry.register(MoneyCollector(self.status))

    async def run(self) -> None:
        """Wake who may go by now, until cancelled."""
        while True:
            self.heartbeat.beat()
            with failstop.guard("money"):
                self.admission.tick()
            await asyncio.sleep(_TICK_S)

    def status(self) -> dict[str, Any]:
        """All there is to be told, as JSON can hold it; the shape is that of docs/spending.md."""
        budget, prices = self._settings.budget, price_list()
        jobs, comparisons = self.budgets.held()
        return {
            "accounts": [self._account(name) for name, _ in self._models],
            "day": {
                "limit_usd": budget.day_usd,
                "share_usd": self.budgets.share_usd,
                "spent_usd": self.budgets.spent_today(),
                "reserved_usd": self.budgets.reserved(),
                "ends_ms": self.budgets.day_ends_ms(),
            },
            "batch": {
                "limit_usd": budget.batch_usd,
                "fullest": [
                    {"batch": batch, "spent_usd": spent, "reserved_usd": reserved}
                    for batch, spent, reserved in self.budgets.fullest_batches(_BATCHES_SHOWN if budget.batch_usd else 0)
                ],
            },
            "excess": budget.excess,
            "held": {"jobs": jobs, "comparisons": comparisons},
            "prices": {
                "list": prices.name,
                "newest": prices.newest,
                "models": [[provider, model, is_known(provider, model)] for provider, model in self._models],
            },
        }

    def _account(self, name: str) -> dict[str, Any]:
        pause = self.pauses.pause_of(name)
        shown = {"account": name, "waiting_jobs": self.pauses.waiting(name)}
        if pause is None:
            return {
                **shown,
                "state": "open",
                "reason": "",
                "code": "",
                "message": "",
                "since_ms": 0,
                "next_try_s": 0.0,
                "tries": 0,
            }
        return {
            **shown,
            "state": "trying" if pause.trier else "paused",
            "reason": pause.trouble.value,
            "code": pause.code.value,
            "message": pause.message,
            "since_ms": pause.since_ms,
            "next_try_s": self.pauses.next_try_s(name),
            "tries": pause.tries,
        }
