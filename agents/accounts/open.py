"""Opens an account for each provider whose requests are taken."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.providers import PROVIDERS, Adapter
from providers.account import Account
from providers.limits.account_limits import AccountLimits
from providers.limits.charging import charging_of
from providers.limits.limiter import Limiter
from providers.protocol import Provider
from settings.provider import AnthropicSettings, ProviderSettings
from settings.settings import Settings


def _told_nobody(*_: str) -> None:
    return None


def open_accounts(
    settings: Settings,
    *,
    on_http: Callable[[str, str, str], object] = _told_nobody,
    on_dropped: Callable[[str, str, str], object] = _told_nobody,
) -> dict[str, Account]:
    """The accounts by provider name.

    on_http is called with provider, endpoint and status after each attempt of a call; on_dropped with provider, model and the
    parameter that a request had asked for and that this model does not take.
    """
    accounts = {}
    for name in settings.configured_providers:
        block = settings.provider(name)

        def told_http(endpoint: str, status: int | str, provider: str = name) -> None:
            on_http(provider, endpoint, str(status))

        def told_dropped(parameter: str, model: str, provider: str = name) -> None:
            on_dropped(provider, model, parameter)

        provider = _provider(
            name,
            settings,
            base_url=block.base_url,
            on_http=told_http,
            on_dropped=told_dropped,
            spool_folder=str(settings.state_dir),  # not /tmp, which may be memory
        )
        accounts[name] = Account(name, provider, Limiter(_limits(name, block, settings.testing.limits_minute_s)))
    return accounts


def _provider(name: str, settings: Settings, **common: Any) -> Provider:
    """The adapter of an account, imported here: its SDK takes up to a second to load, and without a key nobody needs it."""
    api_key = settings.provider(name).api_key
    key = api_key.get_secret_value() if api_key is not None else ""
    match PROVIDERS[name].adapter:
        case Adapter.ANTHROPIC:
            from providers.anthropic.adapter import AnthropicProvider

            return AnthropicProvider(key, **common)
        case Adapter.OPENAI:
            from providers.openai.adapter import OpenAIProvider

            return OpenAIProvider(key, answer_schema=settings.openai.answer_schema, **common)
        case Adapter.GOOGLE:
            from providers.google.adapter import GoogleProvider

            return GoogleProvider(key, **common)
        case Adapter.OPENROUTER:
            from providers.openrouter.adapter import OpenRouterProvider

            return OpenRouterProvider(key, upstream=settings.openrouter.upstream or "", **common)
        case Adapter.MOCK:
            from providers.mock.provider import MockProvider

            return MockProvider()


def share_accounts(accounts: Mapping[str, Account], share: float) -> None:
    """Tell the limiters which part of all partitions this worker holds; a worker without partitions keeps the part it had."""
    for account in accounts.values():
        if 0.0 < share <= 1.0:
            account.limiter.set_share(share)


def _limits(name: str, block: ProviderSettings, minute_s: float) -> AccountLimits:
    return AccountLimits(
        charging_of(name),
        concurrent_calls=block.max_concurrent_calls,
        requests_per_minute=block.requests_per_minute,
        input_tokens_per_minute=block.input_tokens_per_minute,
        output_tokens_per_minute=block.output_tokens_per_minute if isinstance(block, AnthropicSettings) else None,
        limits_share=block.limits_share,
        minute_s=minute_s,
    )
