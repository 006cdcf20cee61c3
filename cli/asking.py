"""Asks workers for what they tell at their health port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from settings.settings import Settings

WorkerUrls = Annotated[
    list[str] | None,
    typer.Option(
        help="A worker's health endpoints, once for each worker; by default those of ROUNDBATCH_HEALTH_HOST and _PORT here.",
        metavar="http://HOST:PORT",
    ),
]
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_ANSWER_S = 10.0

T = TypeVar("T")


def worker_url(settings: Settings) -> str:
    """Where the worker of these settings listens, if it is on this machine."""
    if settings.health_port == 0:
        raise typer.BadParameter(
            "ROUNDBATCH_HEALTH_PORT=0 is any free port: name the worker's with --url (log event health_listening)"
        )
    host = _EVERYWHERE.get(settings.health_host, settings.health_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.health_port}"


async def ask_all(urls: Sequence[str], path: str, shape: type[T]) -> tuple[list[T], list[str]]:
    """What the workers that answered tell at this path, and why the others did not answer. All are asked at once.

    shape: the dataclass of `streams.wire.status` for this path. Fields that it does not have come from a newer worker, and are
    ignored. Where a field is missing, the worker is of another version, which counts as a failure and is said.
    """
    import asyncio

    import aiohttp
    from pydantic import TypeAdapter, ValidationError

    from streams.system_words import system_words

    failures = []
    decoder = TypeAdapter(shape)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S)) as session:

        async def ask(url: str) -> T | None:
            try:
                async with session.get(f"{url.rstrip('/')}{path}") as answer:
                    answer.raise_for_status()
                    return decoder.validate_python(await answer.json())
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"])) or "all of it"
                failures.append(
                    f"the worker at {url} is of another version: its {path} has another shape ({where}: {first['msg']}). "
                    "Run this command with the version of roundbatch that the worker has"
                )
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                why = system_words(error) or str(error) or type(error).__name__
                failures.append(
                    f"no worker answers at {url} ({why}): start it, or name its ROUNDBATCH_HEALTH_HOST and _PORT with --url"
                )
            return None

        found = await asyncio.gather(*(ask(url) for url in urls))
    return [told for told in found if told is not None], failures
