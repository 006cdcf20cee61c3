"""Cost by the price list: a batch row at half price, unknown models told as such."""

from datetime import date

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from domain.reply import Usage
from providers.limits.charging import Size
from providers.prices import LISTED, Bill, OwnPrice, PriceBook, price_list
from providers.prompts.tokens import size_of
from providers.protocol import Ask, PromptBlock

MODELS = [("anthropic", "claude-haiku-5-5"), ("openai", "gpt-6-luna")]


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_a_batch_row_costs_half(provider: str, model: str) -> None:
    usage = Usage(prompt_tokens=2000, completion_tokens=60, cache_read_tokens=600)
    single = LISTED.cost_usd(provider, model, usage, batch=False)
    assert single is not None
    assert single > 0
    assert LISTED.cost_usd(provider, model, usage, batch=True) == pytest.approx(single / 2)


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_plain_tokens_cost_what_the_list_says(provider: str, model: str) -> None:
    assert LISTED.cost_usd(provider, model, Usage(10_000, 1_000), batch=False) == pytest.approx(
        0.0015
    )  # 0.10 and 0.50 a million


def test_cached_tokens_cost_less_and_written_ones_more() -> None:
    def cost(read: int = 0, written: int = 0) -> float:
        found = LISTED.cost_usd("anthropic", "claude-haiku-5-5", Usage(3000, 50, read, written), batch=True)
        assert found is not None
        return found

    assert cost(read=2000) < cost() < cost(written=2000)


def test_a_cache_entry_that_lives_an_hour_costs_more_to_write() -> None:
    def cost(hour: int) -> float | None:
        raw = {"cache_creation": {"ephemeral_5m_input_tokens": 2000 - hour, "ephemeral_1h_input_tokens": hour}}
        usage = Usage(3000, 0, cache_creation_tokens=2000, raw=raw)
        return LISTED.cost_usd("anthropic", "claude-haiku-5-5", usage, batch=False)

    # 1,000 plain at 0.10, 2,000 written at 0.125 or 0.20 a million
    assert cost(0) == pytest.approx(0.00035)
    assert cost(2000) == pytest.approx(0.0005)


def test_more_cached_than_there_was_is_still_a_price() -> None:
    assert LISTED.cost_usd("openai", "gpt-6-luna", Usage(10, 1, cache_read_tokens=50), batch=False) is not None


def test_an_unknown_model_has_no_price() -> None:
    with pytest.raises(LookupError):
        calc_price(PricedUsage(input_tokens=1), "gpt-99-moon", provider_id="openai")
    assert LISTED.cost_usd("openai", "gpt-99-moon", Usage(10, 1), batch=True) is None
    assert LISTED.cost_usd("no such provider", "gpt-6-luna", Usage(10, 1), batch=True) is None


@pytest.mark.parametrize(("provider", "model"), MODELS)
@pytest.mark.parametrize("batch", [False, True])
def test_the_most_that_tokens_cost_is_their_price_uncached(provider: str, model: str, batch: bool) -> None:
    most = LISTED.most_usd(provider, model, batch=batch, prompt_tokens=10_000, output_tokens=1_000)
    assert most == LISTED.cost_usd(provider, model, Usage(10_000, 1_000), batch=batch)
    assert LISTED.is_known(provider, model)
    assert LISTED.most_usd(provider, "gpt-99-moon", batch=batch, prompt_tokens=1, output_tokens=1) is None
    assert not LISTED.is_known(provider, "gpt-99-moon")


def test_an_accounts_own_prices_count_for_all_of_its_models_and_a_batch_is_half() -> None:
    book = PriceBook({"openai": OwnPrice(2.0, 8.0)})
    usage = Usage(1_000_000, 100_000)
    assert book.cost_usd("openai", "a-model-of-our-own", usage, batch=False) == 2.8
    assert book.cost_usd("openai", "a-model-of-our-own", usage, batch=True) == 1.4
    assert book.most_usd("openai", "gpt-6-luna", batch=False, prompt_tokens=500_000, output_tokens=0) == 1.0
    assert book.unknown_price("openai", "a-model-of-our-own") is None
    assert not book.is_known("anthropic", "a-model-of-our-own")


def test_cached_input_at_an_own_price_is_cheaper_only_where_the_list_says_so() -> None:
    book, cached = PriceBook({"openai": OwnPrice(2.0, 8.0)}), Usage(1_000_000, 0, cache_read_tokens=1_000_000)
    assert book.cost_usd("openai", "a-model-of-our-own", cached, batch=False) == 2.0
    assert book.cost_usd("openai", "gpt-6-luna", cached, batch=False) == pytest.approx(0.2)  # a tenth, as in the list


def test_an_own_price_of_0_is_a_price() -> None:
    book = PriceBook({"openai": OwnPrice(0.0, 0.0)})
    assert book.bill("openai", "a-model-of-our-own", Usage(100, 10, cache_read_tokens=50), batch=True) == Bill(0.0)


@pytest.mark.parametrize("model", ["mock", "mock-gpt-6-luna", "anything"])
def test_the_mock_costs_nothing_and_its_price_is_known(model: str) -> None:
    assert LISTED.bill("mock", model, Usage(1_000, 100), batch=False) == Bill(0.0)
    assert LISTED.unknown_price("mock", model) is None


def test_what_the_provider_says_it_charged_is_booked_whatever_the_list_says() -> None:
    for model in ("anthropic/claude-haiku-5.5", "somebody/unknown"):
        bill = LISTED.bill("openrouter", model, Usage(10_000, 1_000), batch=False, charged=0.25)
        assert bill == Bill(0.25)
    assert LISTED.bill("openrouter", "somebody/unknown", Usage(10_000, 1_000), batch=False) is None
    assert LISTED.bill("openrouter", "anthropic/claude-haiku-5.5", Usage(10_000, 1_000), batch=False) == Bill(0.0015)


def test_a_price_that_is_looked_up_again_is_not_calculated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    book = PriceBook({"openai": OwnPrice(2.0, 8.0)})
    names = (("openai", "gpt-6-luna"), ("anthropic", "claude-haiku-5-5"), ("openrouter", "anthropic/claude-haiku-5.5"))
    monkeypatch.setattr("providers.prices.time.time", lambda: 1_800_000_000.0)
    for name in names:
        book.cost_usd(*name, Usage(10, 1), batch=False)
    monkeypatch.setattr("providers.prices.calc_price", None)
    for name in names:
        assert book.cost_usd(*name, Usage(20, 2), batch=False)


@pytest.mark.parametrize("model", ["gemini-3.5-flash", "gemini-3.7-flash"])
def test_a_model_without_a_batch_price_is_told_of(model: str) -> None:
    """The list gives the price of calls for its batches, without a word."""
    ((event, said),) = LISTED.told_at_start("google", model)
    assert event == "no_batch_price"
    assert model in said
    priced = PriceBook({"google": OwnPrice(0.5, 2.0)})
    assert list(priced.told_at_start("google", model)) == []


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("google", "gemini-3.8-flash"),
        ("google", "gemini-3.5-flash-lite"),
        ("anthropic", "claude-haiku-5-5"),
        ("openai", "gpt-6-luna"),
        ("openrouter", "anthropic/claude-haiku-5.5"),
        ("mock", "mock"),
    ],
)
def test_of_models_whose_prices_are_known_nothing_is_told(provider: str, model: str) -> None:
    assert list(LISTED.told_at_start(provider, model)) == []


def test_the_list_has_a_name_and_a_day() -> None:
    assert price_list().name.startswith("genai-prices ")
    assert date(2026, 1, 1) < date.fromisoformat(price_list().newest)


@pytest.mark.parametrize(("provider", "expected"), [("anthropic", 5), ("openai", 4), ("google", 5)])
def test_tokens_are_bounded_by_bytes(provider: str, expected: int) -> None:
    ask = Ask("c", "m", "åå", (PromptBlock("abcd"), PromptBlock("abcd")), 100)
    assert size_of(provider, ask) == Size(expected, 100)
