"""`roundbatch jobs`: the open jobs of workers, and what the provider says of those that it has."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.asking import WorkerUrls, ask_all, worker_url
from cli.tables import print_whole
from cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from providers.account import Account

_LOOK_S = 30.0
_LOOKS_AT_ONCE = 8

Listing = dict[str, Any]


def jobs(
    url: WorkerUrls = None,
    look: Annotated[
        bool, typer.Option(help="Look at submitted jobs at the provider, with the keys of this environment.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print open jobs: the worker's own state, beside the provider's for those submitted there.

    The provider is only looked at; without its key the worker's state is printed alone. Exit 1 where a worker does not answer.
    """
    import asyncio
    import json

    from cli.config import settings_or_exit

    settings = settings_or_exit()
    urls = url or [worker_url(settings)]
    listings, failures = asyncio.run(ask_all(urls, "/jobs"))
    found = [job for listing in listings for job in listing["jobs"]]
    if look and found:
        asyncio.run(_look_at_all(found, settings))
    if as_json:
        typer.echo(json.dumps({"workers": [_worker(listing) for listing in listings], "jobs": found, "failures": failures}))
    elif listings:
        _print_table(listings, found)
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)


async def _look_at_all(found: Sequence[Listing], settings: Any) -> None:
    """Put under "at_provider" what the provider says of each submitted job."""
    import asyncio

    from prometheus_client import CollectorRegistry

    from agents.accounts.open import open_accounts
    from agents.metrics.counters import Metrics

    accounts = open_accounts(settings, Metrics(CollectorRegistry()))
    places = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def one(job: Listing) -> None:
        async with places:
            job["at_provider"] = await at_provider(job, accounts)

    try:
        await asyncio.gather(*(one(job) for job in found if job["provider_job_id"] is not None))
    finally:
        for account in accounts.values():
            await account.provider.close()


async def at_provider(job: Listing, accounts: Mapping[str, Account]) -> dict[str, Any]:
    """What one look says: `{"phase", "detail", "failure", "answered"}`, or `{"error": why there was none}`."""
    import asyncio

    from providers.protocol import ProviderError

    account = accounts.get(job["provider"])
    if account is None:
        return {"error": f"no key: set {job['provider'].upper()}_API_KEY"}
    try:
        async with asyncio.timeout(_LOOK_S):
            status = await account.provider.look(job["provider_job_id"])
    except (ProviderError, TimeoutError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    seen = dataclasses.asdict(status)
    return {**seen, "phase": status.phase.value}


def _worker(listing: Listing) -> Listing:
    return {name: value for name, value in listing.items() if name != "jobs"}


def said(job: Listing) -> str:
    """The provider's word on a job in one cell."""
    status = job.get("at_provider")
    if status is None:
        return "–"
    if "error" in status:
        return str(status["error"])
    answered = f", {status['answered']} answered" if status["answered"] else ""
    return f"{status['failure'] or status['detail'] or status['phase']}{answered}"


def _print_table(listings: Sequence[Listing], found: Sequence[Listing]) -> None:
    import datetime as dt

    from rich.table import Table
    from rich.text import Text

    partitions = [one for listing in listings for one in listing["partitions"].values()]
    pending, behind = sum(one["pending"] for one in partitions), sum(not one["caught_up"] for one in partitions)
    title = ", ".join(
        (counted(len(found), "open job"), f"{counted(pending, 'comparison')} pending", counted(len(partitions), "partition"))
    )
    table = Table(title=title + (f" ({behind} catching up)" if behind else ""))
    for name in ("job, round", "provider, model", "state", "open", "age", "deadline", "at the provider"):
        table.add_column(name, overflow="fold")
    for job in found:
        deadline = dt.datetime.fromtimestamp(job["deadline_ms"] / 1000, dt.UTC)
        cells = (
            f"{job['job_id']}\n{job['round']}",
            f"{job['provider']}\n{job['model']}",
            f"{job['state']}{' (adopted)' if job['adopted'] else ''}\nattempt {job['attempt']}",
            f"{job['open_members']} of {job['members']}\nin {counted(job['lines'], 'line')}",
            str(dt.timedelta(seconds=round(job["age_s"]))),
            f"{deadline:%m-%d %H:%M}Z",
            f"{job['provider_job_id']}\n{said(job)}" if job["provider_job_id"] else "–",
        )
        # Text, not str: a round's name in square brackets would be taken for markup and vanish.
        table.add_row(*(Text(cell) for cell in cells))
    print_whole(table)
