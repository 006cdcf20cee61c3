"""`roundbatch results | head -1`: a reader that has seen enough ends the command, and that is no failure."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

Given = ParamSpec("Given")


def until_closed(command: Callable[Given, None]) -> Callable[Given, None]:
    """Wrap a command so that it ends with exit 0 when the other end of its output has been closed."""

    @functools.wraps(command)
    def ended(*args: Given.args, **named: Given.kwargs) -> None:
        try:
            command(*args, **named)
            sys.stdout.flush()  # what is still buffered would fail at the interpreter's exit, with a traceback
        except BrokenPipeError:
            # The interpreter flushes once more when it exits: what it writes then must have somewhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return ended
