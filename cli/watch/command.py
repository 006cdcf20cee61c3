"""`roundbatch watch`: shows what waits, for a person at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.asking import WorkerUrls, ask_all, worker_url
from cli.tables import print_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


def watch(
    url: WorkerUrls = None,
    every_s: Annotated[float, typer.Option("--every", help="Seconds between two looks.", min=0.2)] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, once.")] = False,
) -> None:
    """Show what waits: rounds, jobs, limits, money; on a terminal until Ctrl-C, elsewhere once.

    Several workers are shown as one. Exit 1 where a worker does not answer (on a terminal it is asked again).
    """
    import asyncio
    import sys

    from cli.config import settings_or_exit
    from cli.watch.view import view
    from streams.wire.status.encode import encode, fields
    from streams.wire.status.told import Status, merge

    urls = url or [worker_url(settings_or_exit())]
    if sys.stdout.isatty() and not as_json:
        _follow(urls, every_s)
        return
    statuses, failures = asyncio.run(ask_all(urls, "/status", Status))
    if as_json:
        typer.echo(encode({**fields(merge(statuses)), "failures": failures}))
    elif statuses:
        from rich.console import Console

        print_whole(view(merge(statuses), [], Console().width))
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)


def _follow(urls: Sequence[str], every_s: float, console: Console | None = None) -> None:
    """Look again and again, on the terminal's other screen; Ctrl-C is the way out and no error."""
    import asyncio
    import contextlib

    from rich.live import Live

    from cli.watch.view import view
    from streams.wire.status.told import Status, merge

    async def follow() -> None:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                statuses, failures = await ask_all(urls, "/status", Status)
                live.update(view(merge(statuses), failures, *live.console.size), refresh=True)
                await asyncio.sleep(every_s)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(follow())
