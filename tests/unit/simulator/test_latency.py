"""How long a simulated call takes."""

import statistics

import pytest

from compare.pace import Pace
from simulator.caching import PrefixCache
from simulator.latency import latency_s
from simulator.prompts import Prompt
from simulator.settings import SimulatorSettings


def test_a_bundle_takes_longer_and_without_a_spread_all_alike() -> None:
    settings = SimulatorSettings(latency_s=1.6, latency_item_s=0.5)

    assert [latency_s(settings, items, "any") for items in (1, 8)] == [1.6, pytest.approx(5.1)]


def test_the_spread_is_the_recorded_one_and_the_same_each_time() -> None:
    settings = SimulatorSettings(**Pace().simulator())  # type: ignore[arg-type]
    drawn = [latency_s(settings, 1, str(number)) for number in range(4_000)]

    assert statistics.fmean(drawn) == pytest.approx(1.6, rel=0.02)  # docs/contract.md#recorded-workload: mean 1.6 s, p95 2.2 s
    assert statistics.quantiles(drawn, n=20)[-1] == pytest.approx(2.2, rel=0.03)
    assert latency_s(settings, 1, "7") == drawn[7]


def test_prompt_caches_live_as_long_as_the_minute_says() -> None:
    prompt = Prompt("openai", "gpt-6-luna", "x" * 8_000, "")
    plain, quick = PrefixCache(), PrefixCache(minute_s=6.0)

    def read(cache: PrefixCache, at: float) -> int:
        return cache.usage("w", prompt, 1, at).cache_read

    assert [read(plain, 0.0), read(plain, 299.0), read(quick, 0.0), read(quick, 29.0), read(quick, 60.0)] == [
        0,
        1024,
        0,
        1024,
        0,
    ]
