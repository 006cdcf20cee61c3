"""Asks workers what they tell at their health port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKER_URL = "http://127.0.0.1:8080"
_ANSWER_S = 10.0

Told = dict[str, Any]


async def ask_all(urls: Sequence[str], path: str) -> tuple[list[Told], list[str]]:
    """What the workers that answered tell at this path, and why the others did not; asked all at once."""
    import asyncio

    import aiohttp

    failures = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S)) as session:

        async def ask(url: str) -> Told | None:
            try:
                async with session.get(f"{url.rstrip('/')}{path}") as answer:
                    answer.raise_for_status()
                    told: Told = await answer.json()
                    return told
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                why = str(error) or type(error).__name__
                failures.append(f"no worker answers at {url} ({why}): name its ROUNDBATCH_HEALTH_HOST and _PORT with --url")
                return None

        found = await asyncio.gather(*(ask(url) for url in urls))
    return [told for told in found if told is not None], failures
