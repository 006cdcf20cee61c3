"""The prices of the accounts, as the settings have them."""

from functools import lru_cache

from domain.providers import PROVIDERS
from providers.prices import OwnPrice, PriceBook
from settings.settings import Settings


def price_book(settings: Settings) -> PriceBook:
    """The book of a worker with these settings: the same one for all who ask, since it keeps rates that it has looked up."""
    own = []
    for name in PROVIDERS:
        block = settings.provider(name)
        if block.input_usd_per_mtok is not None and block.output_usd_per_mtok is not None:
            own.append((name, OwnPrice(block.input_usd_per_mtok, block.output_usd_per_mtok)))
    return _book(tuple(own))


@lru_cache(maxsize=16)
def _book(own: tuple[tuple[str, OwnPrice], ...]) -> PriceBook:
    return PriceBook(dict(own))
