"""`roundbatch jobs`: the open jobs of workers, and what the provider says of those that were submitted to it."""

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
    from providers.protocol import JobStatus
    from streams.wire.status.open_jobs import OpenJob, OpenJobs

    Looked = Mapping[str, "JobStatus | NotSeen"]  # by job id; of the jobs that the provider has

_LOOK_S = 30.0
_CONCURRENT_LOOKS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class NotSeen:
    """Why a look at the provider told nothing."""

    error: str


def jobs(
    url: WorkerUrls = None,
    look: Annotated[
        bool, typer.Option(help="Look at submitted jobs at the provider, with the keys of this environment.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print open jobs: the worker's own state, beside the provider's for those submitted there.

    The provider is only looked at; without its key only the worker's state is printed. Exit 1 where a worker does not answer.
    """
    import asyncio

    from cli.config import settings_or_exit
    from streams.wire.status.encode import encode, fields
    from streams.wire.status.open_jobs import OpenJobs

    settings = settings_or_exit()
    urls = url or [worker_url(settings)]
    listings, failures = asyncio.run(ask_all(urls, "/jobs", OpenJobs))
    found = [job for listing in listings for job in listing.jobs]
    looked = asyncio.run(_look_at_all(found, settings)) if look and found else {}
    if as_json:
        workers = [{name: value for name, value in fields(listing).items() if name != "jobs"} for listing in listings]
        said_of = {job_id: {"at_provider": seen} for job_id, seen in looked.items()}
        open_jobs = [{**fields(job), **said_of.get(job.job_id, {})} for job in found]
        typer.echo(encode({"workers": workers, "jobs": open_jobs, "failures": failures}))
    elif listings:
        _print_table(listings, found, looked)
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)


async def _look_at_all(found: Sequence[OpenJob], settings: Any) -> Looked:
    """What the provider says of each submitted job."""
    import asyncio

    from agents.accounts.open import open_accounts

    accounts = open_accounts(settings)
    places = asyncio.Semaphore(_CONCURRENT_LOOKS)
    looked: dict[str, JobStatus | NotSeen] = {}

    async def one(job: OpenJob, provider_job_id: str) -> None:
        async with places:
            looked[job.job_id] = await at_provider(job.provider, provider_job_id, accounts)

    try:
        await asyncio.gather(*(one(job, job.provider_job_id) for job in found if job.provider_job_id is not None))
    finally:
        for account in accounts.values():
            await account.provider.close()
    return looked


async def at_provider(provider: str, provider_job_id: str, accounts: Mapping[str, Account]) -> JobStatus | NotSeen:
    """What the provider says of a job when it is looked at once."""
    import asyncio

    from providers.protocol import ProviderError

    account = accounts.get(provider)
    if account is None:
        return NotSeen(f"no key: set {provider.upper()}_API_KEY")
    try:
        async with asyncio.timeout(_LOOK_S):
            return await account.provider.look(provider_job_id)
    except (ProviderError, TimeoutError) as error:
        return NotSeen(f"{type(error).__name__}: {error}")


def said(status: JobStatus | NotSeen | None) -> str:
    """What the provider says of a job, as the text of a cell; a dash for None, a job that nobody looked at."""
    if status is None:
        return "–"
    if isinstance(status, NotSeen):
        return status.error
    answered = f", {status.answered} answered" if status.answered else ""
    return f"{status.failure or status.detail or status.phase.value}{answered}"


def _print_table(listings: Sequence[OpenJobs], found: Sequence[OpenJob], looked: Looked) -> None:
    import datetime as dt

    from rich.table import Table
    from rich.text import Text

    partitions = [one for listing in listings for one in listing.partitions.values()]
    pending, behind = sum(one.pending for one in partitions), sum(not one.caught_up for one in partitions)
    title = ", ".join(
        (counted(len(found), "open job"), f"{counted(pending, 'comparison')} pending", counted(len(partitions), "partition"))
    )
    table = Table(title=title + (f" ({behind} catching up)" if behind else ""))
    for name in ("job, round", "provider, model", "state", "open", "age", "deadline", "at the provider"):
        table.add_column(name, overflow="fold")
    for job in found:
        deadline = dt.datetime.fromtimestamp(job.deadline_ms / 1000, dt.UTC)
        cells = (
            f"{job.job_id}\n{job.round}",
            f"{job.provider}\n{job.model}",
            f"{job.state}{' (adopted)' if job.adopted else ''}\nattempt {job.attempt}",
            f"{job.open_members} of {job.members}\nin {counted(job.lines, 'line')}",
            str(dt.timedelta(seconds=round(job.age_s))),
            f"{deadline:%m-%d %H:%M}Z",
            f"{job.provider_job_id}\n{said(looked.get(job.job_id))}" if job.provider_job_id else "–",
        )
        # Text, not str: a round's name in square brackets would be taken for markup and vanish.
        table.add_row(*(Text(cell) for cell in cells))
    print_whole(table)
