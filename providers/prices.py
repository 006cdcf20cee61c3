"""What an answer cost, by the price list that genai-prices brings along (offline)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from genai_prices import Usage as PricedUsage
from genai_prices import __version__ as _list_version
from genai_prices import calc_price
from genai_prices.data import providers as _listed_providers
from genai_prices.types import ConditionalPrice, StartDateConstraint, TieredPrices

from domain.reply import Usage

_PROBE_TOKENS = 1_000  # below the start of every tier, and exact in Decimal


@dataclass(frozen=True, slots=True)
class _Rates:
    """USD a token, for prompts of at most `most_prompt_tokens` (above it another tier may count)."""

    plain: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    most_prompt_tokens: float


def cost_usd(provider: str, model: str, usage: Usage, *, batch: bool) -> float | None:
    """The price of one answer in USD; None when the list does not know the model.

    `provider` is "anthropic" or "openai". A batch row costs half. The context for it must be exactly {"processing": "batch"}:
    for any other the list gives the standard price without a warning.
    """
    cached = usage.cache_read_tokens + usage.cache_creation_tokens
    prompt = max(usage.prompt_tokens, cached)  # the whole input, cached parts included
    long_lived = _written_for_an_hour(usage)
    # The list's own calculation takes 250 us an answer, a fifth of a busy worker's time; prices change by the day.
    rates = _rates(provider, model, batch, int(time.time() // 60))
    if rates is None:
        return None
    if prompt > rates.most_prompt_tokens:
        tokens = (prompt, usage.completion_tokens, usage.cache_read_tokens, usage.cache_creation_tokens, long_lived)
        return float(_listed(provider, model, batch, *tokens)[0])
    return float(
        rates.plain * (prompt - cached)
        + rates.output * usage.completion_tokens
        + rates.cache_read * usage.cache_read_tokens
        + rates.cache_write * (usage.cache_creation_tokens - long_lived)
        + rates.cache_write_1h * long_lived
    )


def most_usd(provider: str, model: str, *, batch: bool, prompt_tokens: int, output_tokens: int) -> float | None:
    """What so many tokens cost where nothing is read from a cache; None when the list does not know the model."""
    rates = _rates(provider, model, batch, int(time.time() // 60))
    return None if rates is None else float(rates.plain * prompt_tokens + rates.output * output_tokens)


def is_known(provider: str, model: str) -> bool:
    """Whether the list has a price for the model."""
    return most_usd(provider, model, batch=False, prompt_tokens=0, output_tokens=0) is not None


@dataclass(frozen=True, slots=True)
class PriceList:
    """The list in use: the package's version, and the day of the newest price in it ("" where none has a day)."""

    name: str
    newest: str


@lru_cache(maxsize=1)
def price_list() -> PriceList:
    """The list that prices are taken from. It bears no date of its own; its newest price is no older than this day."""
    return PriceList(f"genai-prices {_list_version}", max(_days(), default=""))


def unknown_price(provider: str, model: str) -> str | None:
    """What an operator should know of a configured model that the list has no price for; None where it has one."""
    if is_known(provider, model):
        return None
    return (
        f"{price_list().name} does not know the price of {model} ({provider}): its results say cost 0 and are counted in "
        "roundbatch_prices_unknown_total; under a budget its requests end in CONFIGURATION_ERROR. Upgrade genai-prices, or "
        "correct the model's name"
    )


def _days() -> Iterator[str]:
    for provider in _listed_providers:
        if provider.id not in ("anthropic", "openai"):
            continue
        for model in provider.models:
            for price in model.prices if isinstance(model.prices, list) else ():
                if isinstance(price, ConditionalPrice) and isinstance(price.constraint, StartDateConstraint):
                    yield price.constraint.start_date.isoformat()


@lru_cache(maxsize=256)
def _rates(provider: str, model: str, batch: bool, minute: int) -> _Rates | None:
    """The rates of this minute, asked of the list token kind by token kind."""

    def a_token(output: int = 0, read: int = 0, write: int = 0, write_1h: int = 0) -> Decimal:
        counts = (0 if output else _PROBE_TOKENS, output, read, write, write_1h)
        return _listed(provider, model, batch, *counts)[0] / _PROBE_TOKENS

    try:
        _, most = _listed(provider, model, batch, _PROBE_TOKENS, 0, 0, 0, 0)
    except LookupError:
        return None
    probe = _PROBE_TOKENS
    return _Rates(
        a_token(), a_token(output=probe), a_token(read=probe), a_token(write=probe), a_token(write=probe, write_1h=probe), most
    )


def _listed(
    provider: str, model: str, batch: bool, prompt: int, output: int, read: int, write: int, write_1h: int
) -> tuple[Decimal, float]:
    """The list's own price in USD, and up to how many prompt tokens its rates hold. Raises LookupError for an unknown model."""
    tokens: dict[str, int] = {
        "input_tokens": prompt,
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
    }
    if write_1h:
        tokens["cache_write_1h_tokens"] = write_1h
    priced = calc_price(
        PricedUsage(**tokens), model, provider_id=provider, price_context={"processing": "batch"} if batch else None
    )
    starts = [
        tier.start for price in vars(priced.model_price).values() if isinstance(price, TieredPrices) for tier in price.tiers
    ]
    return priced.total_price, min(starts, default=float("inf"))


def _written_for_an_hour(usage: Usage) -> int:
    """Tokens written to Anthropic's cache with ttl 1h, which cost 2x instead of 1.25x."""
    detail = (usage.raw or {}).get("cache_creation")
    tokens = detail.get("ephemeral_1h_input_tokens") if isinstance(detail, dict) else None
    return min(tokens, usage.cache_creation_tokens) if isinstance(tokens, int) else 0
