"""What the models cost, in USD per million tokens, and how tokens are estimated.

The figures are those of genai-prices 0.2.3 (read 2026-11-23), written down here so that the simulator's cost
is independent of what the worker computes it with.
"""

import math
from dataclasses import dataclass, replace

BATCH_FACTOR = 0.5
"""A row of a batch costs half of the same call, except where the list has no price for it."""

NEW_YEAR = 1_798_761_600
"""2027-01-01 in UTC: from then on some of Google's models cost twice as much."""

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. Prompts above `long_from` tokens cost `long_factors` (input, output) times that.

    `batch_cache_read` is named where it is not `batch_factor` times `cache_read`. From `doubles_from` on (seconds since 1970)
    everything costs twice as much.
    """

    provider: str
    input: float
    output: float
    cache_read: float
    cache_write_5m: float = 0.0
    cache_write_1h: float = 0.0
    long_from: int = 10_000_000
    long_factors: tuple[float, float] = (1.0, 1.0)
    batch_factor: float = BATCH_FACTOR
    batch_cache_read: float | None = None
    doubles_from: float = math.inf


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. `input_tokens` is the total, cached and written ones included.

    `thoughts` are those among the output tokens that the model thought.
    """

    input_tokens: int
    output_tokens: int
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thoughts: int = 0

    @property
    def uncached_input(self) -> int:
        """What Anthropic calls `input_tokens`: neither read from nor written to the cache."""
        return self.input_tokens - self.cache_read - self.cache_write_5m - self.cache_write_1h


PRICES = {
    "claude-haiku-5-5": Price("anthropic", 0.1, 0.5, 0.01, 0.125, 0.2, 100_000, (5.0, 5.0)),
    "claude-sonnet-5-5": Price("anthropic", 2.0, 10.0, 0.1, 2.5, 4.0),
    "claude-opus-5-5": Price("anthropic", 4.0, 20.0, 0.2, 5.0, 8.0),
    "claude-haiku-4-5": Price("anthropic", 1.0, 5.0, 0.1, 1.25, 2.0),
    "claude-haiku-4-5-20251001": Price("anthropic", 1.0, 5.0, 0.1, 1.25, 2.0),
    "gpt-5.1": Price("openai", 1.25, 10.0, 0.125),
    "gpt-6-luna": Price("openai", 0.1, 0.5, 0.01, long_from=272_000, long_factors=(2.0, 1.5)),
    "gpt-6.1-terra": Price("openai", 1.0, 5.0, 0.05, long_from=272_000, long_factors=(2.0, 1.5)),
    "gpt-6.1-sol": Price("openai", 2.0, 10.0, 0.1, long_from=272_000, long_factors=(2.0, 1.5)),
    "anthropic/claude-haiku-5.5": Price("openrouter", 0.1, 0.5, 0.01, 0.125, 0.2, 100_000, (5.0, 5.0), batch_factor=1.0),
    "openai/gpt-6-luna": Price("openrouter", 0.1, 0.5, 0.01, 0.0, 0.0, 272_000, (2.0, 1.5), batch_factor=1.0),
    "gemini-3.8-flash": Price("google", 0.75, 3.75, 0.075, doubles_from=NEW_YEAR),
    "gemini-3.7-flash": Price("google", 0.75, 3.75, 0.075, doubles_from=NEW_YEAR, batch_factor=1.0),
    "gemini-3.6-flash": Price("google", 0.75, 3.75, 0.075, doubles_from=NEW_YEAR),
    "gemini-3.5-flash": Price("google", 1.5, 9.0, 0.15, batch_factor=1.0),
    "gemini-3.5-flash-lite": Price("google", 0.3, 2.5, 0.03, batch_cache_read=0.02),
    "gemini-3.1-flash-lite": Price("google", 0.25, 1.5, 0.025),
    "gemini-3.1-pro-preview": Price("google", 2.0, 12.0, 0.2, batch_cache_read=0.2, long_from=200_000, long_factors=(2.0, 1.5)),
    "gemini-2.5-flash": Price("google", 0.3, 2.5, 0.03, batch_cache_read=0.03),
    "gemini-2.5-pro": Price("google", 1.25, 10.0, 0.125, batch_cache_read=0.125, long_from=200_000, long_factors=(2.0, 1.5)),
}
DEFAULT = Price("", 1.0, 5.0, 0.1, 1.25, 2.0)
"""The price of every model that has none of its own."""


def estimated_tokens(utf8_bytes: int) -> int:
    """Tokens of a text: ceil(bytes / 4). Deterministic, and near the mean of English prose."""
    return -(-utf8_bytes // BYTES_PER_TOKEN)


def single_cost_usd(model: str, usage: Usage, at: float = 0.0) -> float:
    """What one call costs at the time `at`, in seconds since 1970."""
    return _cost_usd(PRICES.get(model, DEFAULT), usage, at)


def batch_cost_usd(model: str, usage: Usage, at: float = 0.0) -> float:
    """What the same request costs as a row of a batch."""
    price = PRICES.get(model, DEFAULT)
    if price.batch_cache_read is not None:
        price = replace(price, cache_read=price.batch_cache_read / price.batch_factor)
    return _cost_usd(price, usage, at) * price.batch_factor


def _cost_usd(price: Price, usage: Usage, at: float) -> float:
    in_factor, out_factor = price.long_factors if usage.input_tokens > price.long_from else (1.0, 1.0)
    into = (
        usage.uncached_input * price.input
        + usage.cache_read * price.cache_read
        + usage.cache_write_5m * price.cache_write_5m
        + usage.cache_write_1h * price.cache_write_1h
    )
    cost = (into * in_factor + usage.output_tokens * price.output * out_factor) / 1_000_000
    return cost * 2 if at >= price.doubles_from else cost
