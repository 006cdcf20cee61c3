"""Asks before something that cannot be taken back."""

import sys

import typer


def confirm(question: str) -> None:
    """Return after a yes, exit with 1 otherwise. Where nobody can answer (a script, no terminal), the error names --yes."""
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        typer.echo("not confirmed, nothing was done: give --yes where nobody can answer", err=True)
        raise typer.Exit(1) from None
