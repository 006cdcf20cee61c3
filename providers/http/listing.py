"""Reading a provider's list of batches or files, newest first, completely or not at all."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from providers.http.failures import UnreadableBody
from providers.http.fields import mapping, required_text

# How far before the claim a scan goes: two clocks, the provider's and ours, may differ.
SCAN_MARGIN_S = 600


async def scan(
    page_after: Callable[[str | None], Awaitable[dict[str, Any]]], oldest_s: float
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield every entry of a list created since `oldest_s` (seconds since the epoch).

    `page_after` reads the page behind an id. Raises UnreadableBody where a page cannot be understood: what could not be read
    is never absent, so an end that is not certain is no end.
    """
    after: str | None = None
    while True:
        page = await page_after(after)
        data = page.get("data")
        if not isinstance(data, list):
            raise UnreadableBody("a page of the list has no data")
        for entry in map(mapping, data):
            if created_s(entry) < oldest_s:
                return
            yield entry
        if page.get("has_more") is False:
            return
        if page.get("has_more") is not True or not data:
            raise UnreadableBody("a page of the list does not say whether it is the last")
        after = required_text(mapping(data[-1]), "id")


def created_s(entry: dict[str, Any]) -> float:
    """When an entry was created, by the provider's clock. Raises UnreadableBody."""
    return epoch_s(entry.get("created_at"), "created_at")


def epoch_s(value: object, name: str) -> float:
    """A time as a provider shows it: seconds since the epoch at OpenAI, RFC 3339 at Anthropic. Raises UnreadableBody."""
    if isinstance(value, int | float):
        return float(value)
    try:
        when = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise UnreadableBody(f"{name} is missing or no time") from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
