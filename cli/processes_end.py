"""How a command ends that has processes of its own: they are ended too, and the exit code says why."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from demo.processes import ProcessFailed
from streams.settings import UnusableSettings


@contextmanager
def processes_end(of: str) -> Iterator[None]:
    """Exit 1 with a line on stderr where a process or a setting fails, 130 on Ctrl-C; `of` names whose processes they are.

    SIGTERM and a closed terminal raise SystemExit, so that the body ends its processes as on Ctrl-C.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        yield
    except (ProcessFailed, UnusableSettings) as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(f"interrupted: all processes of {of} have ended", err=True)
        raise typer.Exit(130) from None
