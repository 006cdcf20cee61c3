"""What each step of a job works with: one value, handed to all of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from agents.accounts.pauses import Pauses
from agents.jobs.prompts import JobPrompts
from agents.jobs.records import JobRecords
from agents.metrics.counters import Metrics
from providers.account import Account
from providers.prices import PriceBook
from settings.settings import Settings
from streams.clock import Clock


@dataclass(frozen=True, slots=True)
class JobTools:
    """`accounts` by provider; `worker_run` names this process in the claims that it sends."""

    settings: Settings
    accounts: Mapping[str, Account]
    prompts: JobPrompts
    records: JobRecords
    pauses: Pauses
    prices: PriceBook
    metrics: Metrics
    clock: Clock
    worker_run: str
