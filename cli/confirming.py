"""Asks before something that cannot be taken back."""

import sys

import typer


def confirm(question: str) -> None:
    """Go on after a yes; else exit 1. Where nobody can answer (a script, a container without a terminal), --yes is named."""
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        typer.echo("not confirmed, nothing was done: give --yes where nobody can answer", err=True)
        raise typer.Exit(1) from None
