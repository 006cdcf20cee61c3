"""What the models cost, in USD per million tokens, and how tokens are estimated.

The figures are those of genai-prices 0.2.3 (read 2026-11-23), written down here so that the simulator's cost
is independent of what the worker computes it with.
"""

from dataclasses import dataclass

BATCH_FACTOR = 0.5
"""A row of a batch costs half of the same call, at both providers."""

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. Prompts above `long_from` tokens cost `long_factors` (input, output) times that."""

    provider: str
    input: float
    output: float
    cache_read: float
    cache_write_5m: float = 0.0
    cache_write_1h: float = 0.0
    long_from: int = 10_000_000
    long_factors: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. `input_tokens` is the total, cached and written ones included."""

    input_tokens: int
    output_tokens: int
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0

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
}
DEFAULT = Price("", 1.0, 5.0, 0.1, 1.25, 2.0)
"""The price of every model that has none of its own."""


def estimated_tokens(utf8_bytes: int) -> int:
    """Tokens of a text: ceil(bytes / 4). Deterministic, and near the mean of English prose."""
    return -(-utf8_bytes // BYTES_PER_TOKEN)


def single_cost_usd(model: str, usage: Usage) -> float:
    """What one call costs; a row of a batch costs `BATCH_FACTOR` times that."""
    price = PRICES.get(model, DEFAULT)
    in_factor, out_factor = price.long_factors if usage.input_tokens > price.long_from else (1.0, 1.0)
    into = (
        usage.uncached_input * price.input
        + usage.cache_read * price.cache_read
        + usage.cache_write_5m * price.cache_write_5m
        + usage.cache_write_1h * price.cache_write_1h
    )
    return (into * in_factor + usage.output_tokens * price.output * out_factor) / 1_000_000
