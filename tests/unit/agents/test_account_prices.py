"""The accounts' own prices, from the settings to the book."""

from agents.planning.prices import price_book
from domain.reply import Usage
from settings.settings import Settings

TOKENS = Usage(1_000_000, 1_000_000)


def test_an_accounts_own_prices_come_from_its_settings() -> None:
    block = {"api_key": "key", "base_url": "http://127.0.0.1:8000/v1", "model": "our-model"}
    own = Settings(openai=block | {"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5})
    assert price_book(own).cost_usd("openai", "our-model", TOKENS, batch=False) == 2.0
    assert price_book(Settings(openai=block)).cost_usd("openai", "our-model", TOKENS, batch=False) is None


def test_whoever_asks_for_the_book_of_the_same_prices_gets_the_same_one() -> None:
    """Rates are looked up in the list by 250 µs each, and kept in the book."""
    block = {"api_key": "key", "input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5}
    assert price_book(Settings(openai=block)) is price_book(Settings(openai=block))
    assert price_book(Settings(openai=block)) is not price_book(Settings())
