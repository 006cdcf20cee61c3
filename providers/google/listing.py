"""Reading the lists of the Gemini API: batches, which come newest first, and files, of whose order nothing is known."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import structlog

from providers.google.wire import metadata_of
from providers.http.failures import UnreadableBody
from providers.http.fields import mapping, text
from providers.http.listing import epoch_s

log = structlog.get_logger(__name__)

Page = Callable[[str], Awaitable[dict[str, Any]]]  # reads the page of a token, "" for the first


async def batches_since(page_of: Page, oldest_s: float) -> AsyncGenerator[dict[str, Any], None]:
    """Yield each batch of the list created since `oldest_s` (seconds since the epoch), and the first one that is older.

    The scan ends at a page that shows an older one, where all of that page are in order. If they are not, no place in the list
    is an end, and all pages are read.
    """
    latest_s, in_order, older = float("inf"), True, False
    async for page in _pages(page_of):
        for batch in entries(page, "operations"):
            created_s = created_s_of(batch)
            if created_s > latest_s and in_order:
                in_order = False
                log.warning("batch_list_not_in_order", provider="google")
            latest_s = min(latest_s, created_s)
            if created_s >= oldest_s or not older:
                yield batch
            older = older or created_s < oldest_s
        if older and in_order:
            return


async def all_entries(page_of: Page, kind: str) -> AsyncGenerator[dict[str, Any], None]:
    """Yield every entry of a list, in the order in which they come."""
    async for page in _pages(page_of):
        for entry in entries(page, kind):
            yield entry


async def _pages(page_of: Page) -> AsyncGenerator[dict[str, Any], None]:
    """The pages, to the last one. A token that comes again would go round in circles. Raises UnreadableBody."""
    token, seen = "", set[str]()
    while True:
        page = await page_of(token)
        yield page
        following = page.get("nextPageToken", "")
        if following == "":
            return
        token = text(following)
        if not token or token in seen:
            raise UnreadableBody("a page of the list does not say which is the next")
        seen.add(token)


def entries(page: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The entries of a page; an empty list is left out by the API. Raises UnreadableBody."""
    found = page.get(kind, [])
    if not isinstance(found, list):
        raise UnreadableBody(f"a page of the list has no {kind}")
    return [mapping(entry) for entry in found]


def created_s_of(batch: dict[str, Any]) -> float:
    """When a batch was created, by the provider's clock. Raises UnreadableBody."""
    return epoch_s(metadata_of(batch).get("createTime"), "createTime")
