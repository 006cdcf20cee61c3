"""`roundbatch watch`: the queue as a person wants to see it."""

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
    """Show what waits: rounds, jobs, limits, money; until Ctrl-C on a terminal, else once.

    Several workers are shown as one. Exit 1 where a worker does not answer (on a terminal it is asked again).
    """
    import asyncio
    import json
    import sys

    from cli.config import settings_or_exit
    from cli.watch.merge import together
    from cli.watch.view import view

    urls = url or [worker_url(settings_or_exit())]
    if sys.stdout.isatty() and not as_json:
        _follow(urls, every_s)
        return
    statuses, failures = asyncio.run(ask_all(urls, "/status"))
    if as_json:
        typer.echo(json.dumps({**together(statuses), "failures": failures}))
    elif statuses:
        from rich.console import Console

        print_whole(view(together(statuses), [], Console().width))
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)


def _follow(urls: Sequence[str], every_s: float, console: Console | None = None) -> None:
    """Look again and again, on the terminal's other screen; Ctrl-C is the way out and no error."""
    import asyncio
    import contextlib

    from rich.live import Live

    from cli.watch.merge import together
    from cli.watch.view import view

    async def follow() -> None:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                statuses, failures = await ask_all(urls, "/status")
                live.update(view(together(statuses), failures, *live.console.size), refresh=True)
                await asyncio.sleep(every_s)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(follow())
