"""Accounts and money as /status and the gauges tell them."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from agents.status.money_gauges import MoneyCollector
from streams.wire.status.money import MoneyStatus
from tests.harness.status_example import MONEY


def gauges(money: MoneyStatus) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(MoneyCollector(lambda: money))
    return registry


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("roundbatch_account_paused", {"provider": "openai", "reason": "quota"}, 1),
        ("roundbatch_account_paused", {"provider": "openai", "reason": "down"}, 0),
        ("roundbatch_account_paused", {"provider": "anthropic", "reason": "quota"}, 0),
        ("roundbatch_account_waiting_jobs", {"provider": "openai"}, 4),
        ("roundbatch_budget_day_usd", {"kind": "limit"}, 5.0),
        ("roundbatch_budget_day_usd", {"kind": "spent"}, 1.8342),
        ("roundbatch_budget_day_usd", {"kind": "reserved"}, 0.4),
        ("roundbatch_budget_held_comparisons", {}, 0),
        ("roundbatch_model_price_unknown", {"provider": "openai", "model": "gpt-7"}, 1),
    ],
)
def test_gauges_are_told_from_the_status(name: str, labels: dict[str, str], value: float) -> None:
    assert gauges(MONEY).get_sample_value(name, labels) == value


def test_without_a_budget_there_is_no_limit_and_no_share() -> None:
    found = gauges(replace(MONEY, day=replace(MONEY.day, limit_usd=None, share_usd=None)))
    assert found.get_sample_value("roundbatch_budget_day_usd", {"kind": "limit"}) is None
    assert found.get_sample_value("roundbatch_budget_day_usd", {"kind": "share"}) is None
    assert found.get_sample_value("roundbatch_budget_day_usd", {"kind": "spent"}) == 1.8342
