"""Prints what rich has laid out, for all commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

_ANY_WIDTH = 10_000


def print_whole(made: RenderableType) -> None:
    """Print it to stdout: as wide as the terminal; into a file or a pipe, which have no width, as wide as it wants to be.

    For a file or pipe rich assumes 80 columns, and would break names so that no grep finds them. COLUMNS still sets a width.
    """
    import os

    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        wanted = console.measure(made, options=console.options.update_width(_ANY_WIDTH)).maximum
        console.width = max(console.width, wanted)
    console.print(made)
