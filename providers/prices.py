"""What an answer cost, by the price list that genai-prices brings along (offline)."""

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from domain.reply import Usage


def cost_usd(provider: str, model: str, usage: Usage, *, batch: bool) -> float | None:
    """The price of one answer in USD; None when the list does not know the model.

    `provider` is "anthropic" or "openai". A batch row costs half: the context must be exactly {"processing": "batch"}, for an
    unknown one silently gives the standard price.
    """
    cached = usage.cache_read_tokens + usage.cache_creation_tokens
    tokens: dict[str, int] = {
        "input_tokens": max(usage.prompt_tokens, cached),  # the whole input, cached parts included
        "output_tokens": usage.completion_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_creation_tokens,
    }
    long_lived = _written_for_an_hour(usage)
    if long_lived:
        tokens["cache_write_1h_tokens"] = long_lived
    try:
        priced = calc_price(
            PricedUsage(**tokens),
            model,
            provider_id=provider,
            price_context={"processing": "batch"} if batch else None,
        )
    except LookupError:
        return None
    return float(priced.total_price)


def _written_for_an_hour(usage: Usage) -> int:
    """Tokens written to Anthropic's cache with ttl 1h, which cost 2x instead of 1.25x."""
    detail = (usage.raw or {}).get("cache_creation")
    tokens = detail.get("ephemeral_1h_input_tokens") if isinstance(detail, dict) else None
    return min(tokens, usage.cache_creation_tokens) if isinstance(tokens, int) else 0
