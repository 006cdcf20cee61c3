"""The prices of the accounts, as the settings have them."""

from domain.providers import PROVIDERS
from providers.prices import OwnPrice, PriceBook
from settings.settings import Settings


def price_book(settings: Settings) -> PriceBook:
    """The book of a worker with these settings."""
    own = {}
    for name in PROVIDERS:
        block = settings.provider(name)
        if block.input_usd_per_mtok is not None and block.output_usd_per_mtok is not None:
            own[name] = OwnPrice(block.input_usd_per_mtok, block.output_usd_per_mtok)
    return PriceBook(own)
