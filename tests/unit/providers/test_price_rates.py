"""Prices by rates are those of the list's own calculation, to the last digit."""

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from domain.reply import Usage
from providers.prices import LISTED

# The last one has a tier that starts at 200,000 prompt tokens.
MODELS = [("anthropic", "claude-haiku-5-5"), ("openai", "gpt-6-luna"), ("anthropic", "claude-sonnet-4-5")]


@given(
    which=st.sampled_from(MODELS),
    batch=st.booleans(),
    prompt=st.integers(0, 1_000_000),
    output=st.integers(0, 32_000),
    read=st.integers(0, 300_000),
    written=st.integers(0, 300_000),
    hour=st.integers(0, 300_000),
)
def test_rates_give_the_price_of_the_list(
    which: tuple[str, str], batch: bool, prompt: int, output: int, read: int, written: int, hour: int
) -> None:
    provider, model = which
    usage = Usage(prompt, output, read, written, {"cache_creation": {"ephemeral_1h_input_tokens": hour}})
    long_lived = min(hour, written)
    tokens = {
        "input_tokens": max(prompt, read + written),
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        **({"cache_write_1h_tokens": long_lived} if long_lived else {}),
    }
    context = {"processing": "batch"} if batch else None
    listed = calc_price(PricedUsage(**tokens), model, provider_id=provider, price_context=context)
    assert LISTED.cost_usd(provider, model, usage, batch=batch) == float(listed.total_price)
