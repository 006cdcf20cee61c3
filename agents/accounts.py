"""Opens an account for each provider that has a key."""

from agents.metrics import Metrics
from providers.accounts import Account, Limiter
from providers.anthropic_adapter import AnthropicProvider
from providers.openai_adapter import OpenAIProvider
from streams.settings import Settings

_ADAPTERS = {"anthropic": AnthropicProvider, "openai": OpenAIProvider}


def open_accounts(settings: Settings, metrics: Metrics) -> dict[str, Account]:
    """The accounts by provider name."""
    accounts = {}
    for name in settings.configured_providers:
        block = settings.provider(name)
        if block.api_key is None:
            continue

        def on_http(endpoint: str, status: int | str, provider: str = name) -> None:
            metrics.http_operation(provider, endpoint, str(status))

        def on_dropped(parameter: str, model: str, provider: str = name) -> None:
            if parameter == "temperature":
                metrics.temperature_dropped(provider, model)

        where = {} if block.base_url is None else {"base_url": block.base_url}
        provider = _ADAPTERS[name](
            block.api_key.get_secret_value(),
            on_http=on_http,
            on_dropped=on_dropped,
            spool_folder=str(settings.state_dir),  # not /tmp, which may be memory
            **where,
        )
        accounts[name] = Account(name, provider, Limiter(block.max_concurrent_calls))
    return accounts
