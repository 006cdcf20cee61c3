"""What an answer cost: as the answer says, by the account's own prices, or by the price list of genai-prices (offline)."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from genai_prices import Usage as PricedUsage
from genai_prices import __version__ as _list_version
from genai_prices import calc_price
from genai_prices.data import providers as _listed_providers
from genai_prices.types import ConditionalPrice, StartDateConstraint, TieredPrices

from domain.providers import PROVIDERS
from domain.reply import Usage

_PROBE_TOKENS = 1_000  # below the start of every tier, and exact in Decimal
_MILLION = 1_000_000
_KEPT_RATES = 256  # models are named by requests, so the rates that are kept must have a bound


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """USD for a million tokens of a call, for all models of an account."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float


class Bill(NamedTuple):
    """What an answer cost in USD, and by how much the batch and the cache made it cheaper."""

    usd: float
    saved_by_batch: float = 0.0
    saved_by_cache: float = 0.0


@dataclass(frozen=True, slots=True)
class _Rates:
    """USD a token, for prompts of at most `most_prompt_tokens` (above it another tier may count)."""

    plain: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    most_prompt_tokens: float = float("inf")


_FREE = _Rates(Decimal(0), Decimal(0), Decimal(0), Decimal(0), Decimal(0))


class PriceBook:
    """The prices of one worker's accounts. `own`: by provider, where an account has prices of its own.

    A provider without a price list in its row costs nothing. By own prices a row of a batch costs half of the same call.
    """

    def __init__(self, own: Mapping[str, OwnPrice] = MappingProxyType({})) -> None:
        self._own = own
        # The list's own calculation takes 250 us an answer, a fifth of a busy worker's time; prices change by the day.
        self._rates = lru_cache(maxsize=_KEPT_RATES)(self._found_rates)

    def cost_usd(self, provider: str, model: str, usage: Usage, *, batch: bool) -> float | None:
        """The price of one answer in USD; None when nothing tells the price of the model."""
        cached = usage.cache_read_tokens + usage.cache_creation_tokens
        prompt = max(usage.prompt_tokens, cached)  # the whole input, cached parts included
        long_lived = _written_for_an_hour(usage)
        rates = self._rates(provider, model, batch, _minute())
        if rates is None:
            return None
        if prompt > rates.most_prompt_tokens:
            tokens = (prompt, usage.completion_tokens, usage.cache_read_tokens, usage.cache_creation_tokens, long_lived)
            return float(_listed(PROVIDERS[provider].price_list or "", model, batch, *tokens)[0])
        return float(
            rates.plain * (prompt - cached)
            + rates.output * usage.completion_tokens
            + rates.cache_read * usage.cache_read_tokens
            + rates.cache_write * (usage.cache_creation_tokens - long_lived)
            + rates.cache_write_1h * long_lived
        )

    def bill(self, provider: str, model: str, usage: Usage, *, batch: bool, charged: float | None = None) -> Bill | None:
        """What an answer is booked with: what the provider says that it charged, otherwise its price; None without either."""
        listed = in_calls = self.cost_usd(provider, model, usage, batch=False)
        if batch:
            listed = self.cost_usd(provider, model, usage, batch=True)
        usd = listed if charged is None else charged
        if usd is None:
            return None
        if listed is None or in_calls is None:
            return Bill(usd)
        by_cache = 0.0
        if usage.cache_read_tokens or usage.cache_creation_tokens:
            plain = Usage(usage.prompt_tokens, usage.completion_tokens)
            by_cache = (self.cost_usd(provider, model, plain, batch=False) or in_calls) - in_calls
        return Bill(usd, max(0.0, in_calls - listed), max(0.0, by_cache))

    def most_usd(self, provider: str, model: str, *, batch: bool, prompt_tokens: int, output_tokens: int) -> float | None:
        """What so many tokens cost where nothing is read from a cache; None when nothing tells the price of the model."""
        rates = self._rates(provider, model, batch, _minute())
        return None if rates is None else float(rates.plain * prompt_tokens + rates.output * output_tokens)

    def is_known(self, provider: str, model: str) -> bool:
        """Whether the model has a price."""
        return self._rates(provider, model, False, _minute()) is not None

    def unknown_price(self, provider: str, model: str) -> str | None:
        """What an operator should know of a configured model that has no price; None where it has one."""
        if self.is_known(provider, model):
            return None
        return (
            f"{price_list().name} does not know the price of {model} ({provider}): results whose answers do not name their own "
            "cost say cost 0 and are counted in roundbatch_prices_unknown_total; under a budget its requests end in "
            "CONFIGURATION_ERROR. Upgrade genai-prices, correct the model's name, or set the account's INPUT_USD_PER_MTOK and "
            "OUTPUT_USD_PER_MTOK"
        )

    def no_batch_price(self, provider: str, model: str) -> str | None:
        """What an operator should know of a configured model whose batches are booked like calls; None where it has a price."""
        row = PROVIDERS.get(provider)
        calls, batches = (self._rates(provider, model, batch, _minute()) for batch in (False, True))
        if row is None or not row.batches or provider in self._own or calls is None or not calls.plain or calls != batches:
            return None
        return (
            f"{price_list().name} has no batch price of {model} ({provider}): its batches are booked, and kept within budgets, "
            "at the price of calls, up to twice what they cost. Choose a model that has one, or set the account's "
            "INPUT_USD_PER_MTOK and OUTPUT_USD_PER_MTOK, half of which is a batch's price"
        )

    def told_at_start(self, provider: str, model: str) -> Iterator[tuple[str, str]]:
        """What an operator should know of a configured model's price: log events and their words."""
        for event, said in (
            ("price_unknown", self.unknown_price(provider, model)),
            ("no_batch_price", self.no_batch_price(provider, model)),
        ):
            if said is not None:
                yield event, said

    def _found_rates(self, provider: str, model: str, batch: bool, minute: int) -> _Rates | None:
        """The rates, looked up anew in each `minute`."""
        row, own = PROVIDERS.get(provider), self._own.get(provider)
        if row is None:
            return None
        listed = _FREE if row.price_list is None else _list_rates(row.price_list, model, batch)
        return listed if own is None else _own_rates(own, listed, batch=batch)


#: What accounts cost that have no prices of their own.
LISTED = PriceBook()


def _minute() -> int:
    return int(time.time() // 60)


def _own_rates(own: OwnPrice, listed: _Rates | None, *, batch: bool) -> _Rates:
    """An account's own rates. Cached input is cheaper or dearer as in the list, if it knows the model."""
    share = Decimal("0.5") if batch else Decimal(1)
    plain, output = (Decimal(str(usd)) * share / _MILLION for usd in (own.input_usd_per_mtok, own.output_usd_per_mtok))
    if listed is None or not listed.plain:
        return _Rates(plain, output, plain, plain, plain)
    by = plain / listed.plain
    return _Rates(plain, output, listed.cache_read * by, listed.cache_write * by, listed.cache_write_1h * by)


@dataclass(frozen=True, slots=True)
class PriceList:
    """The list in use: the package's version, and the day of the newest price in it ("" where none has a day)."""

    name: str
    newest: str


@lru_cache(maxsize=1)
def price_list() -> PriceList:
    """The list that prices are taken from. It bears no date of its own; its newest price is no older than this day."""
    return PriceList(f"genai-prices {_list_version}", max(_days(), default=""))


def _days() -> Iterator[str]:
    used = {row.price_list for row in PROVIDERS.values()}
    for provider in _listed_providers:
        if provider.id not in used:
            continue
        for model in provider.models:
            for price in model.prices if isinstance(model.prices, list) else ():
                if isinstance(price, ConditionalPrice) and isinstance(price.constraint, StartDateConstraint):
                    yield price.constraint.start_date.isoformat()


def _list_rates(list_name: str, model: str, batch: bool) -> _Rates | None:
    """The list's rates at this time, asked token kind by token kind; None for a model that it does not know."""

    def a_token(output: int = 0, read: int = 0, write: int = 0, write_1h: int = 0) -> Decimal:
        counts = (0 if output else _PROBE_TOKENS, output, read, write, write_1h)
        return _listed(list_name, model, batch, *counts)[0] / _PROBE_TOKENS

    try:
        _, most = _listed(list_name, model, batch, _PROBE_TOKENS, 0, 0, 0, 0)
    except LookupError:
        return None
    probe = _PROBE_TOKENS
    return _Rates(
        a_token(), a_token(output=probe), a_token(read=probe), a_token(write=probe), a_token(write=probe, write_1h=probe), most
    )


def _listed(
    list_name: str, model: str, batch: bool, prompt: int, output: int, read: int, write: int, write_1h: int
) -> tuple[Decimal, float]:
    """The list's own price in USD, and up to how many prompt tokens its rates hold. Raises LookupError for an unknown model.

    The context of a batch must be exactly {"processing": "batch"}: for any other the list gives the standard price without a
    warning.
    """
    tokens: dict[str, int] = {
        "input_tokens": prompt,
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
    }
    if write_1h:
        tokens["cache_write_1h_tokens"] = write_1h
    priced = calc_price(
        PricedUsage(**tokens), model, provider_id=list_name, price_context={"processing": "batch"} if batch else None
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
