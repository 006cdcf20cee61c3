"""`roundbatch config`: every setting with its value and where that came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from cli.tables import print_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

    from settings.env import Entry
    from settings.settings import Settings

#: EX_CONFIG of sysexits.h: a supervisor can tell "do not try again" from a crash.
EXIT_UNUSABLE = 78
_CELL_LENGTH = 60


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of docs/configuration.md: defaults.")] = False,
) -> None:
    """Print all settings with value and source; secrets are masked.

    Exit 78 when a setting is unusable, with one line that names it, its value and what is allowed.
    """
    import json

    from agents.planning.prices import price_book
    from providers.prices import price_list
    from settings import env as settings_env

    if markdown:
        typer.echo(markdown_table(), nl=False)
        return
    settings = settings_or_exit()
    entries = settings_env.entries(settings)
    prices, listed = price_book(settings), price_list()
    told = (prices.told_at_start(name, settings.provider(name).model) for name in settings.configured_providers)
    warnings = [*settings.warnings, *(said for of_one in told for _, said in of_one)]
    if as_json:
        found = [{"name": entry.variable, "value": shown(entry), "source": entry.source or "default"} for entry in entries]
        shown_prices = {"list": listed.name, "newest": listed.newest}
        typer.echo(json.dumps({"settings": found, "prices": shown_prices, "warnings": warnings}, ensure_ascii=False))
        return
    _print_table(entries)
    typer.echo(f"prices: {listed.name}, its newest price is of {listed.newest}")
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)


def settings_or_exit(also: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process's environment; the variables in `also` take precedence.

    Where they are unusable, the line that says so goes to stderr, and the process exits with 78.
    """
    import os

    from settings.settings import UnusableSettings, load_settings

    try:
        return load_settings({**os.environ, **(also or {})})
    except UnusableSettings as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(EXIT_UNUSABLE) from None


def shown(entry: Entry) -> Any:
    """The value as JSON can hold it, a secret masked."""
    from settings import env as settings_env

    if entry.secret:
        return settings_env.masked(entry.value)
    if isinstance(entry.value, tuple):
        return list(entry.value)
    return entry.value if isinstance(entry.value, str | int | float | None) else str(entry.value)


def markdown_table() -> str:
    """The tables of docs/configuration.md: a row for each setting, with its default, its limits and what it does.

    A setting that every provider has gets one row. Settings for tests alone come last, in a table of their own.
    """
    from settings import env as settings_env
    from settings.settings import Settings

    head = ["| variable | default | allowed | what |", "|---|---|---|---|"]
    operation, testing = list(head), list(head)
    for together in _one_for_all_providers(settings_env.entries(Settings(), {})):
        of_tests = together[0].variable.startswith(f"{settings_env.PREFIX}TESTING__")
        (testing if of_tests else operation).append(_row(together))
    return "\n".join([*operation, "", "### For tests and the demo, not for operation", "", *testing]) + "\n"


def _one_for_all_providers(entries: list[Entry]) -> list[list[Entry]]:
    """Group the entries: a setting that several providers have is one group, any other entry a group of its own."""
    from domain.providers import PROVIDERS
    from settings import env as settings_env

    found: dict[str, list[Entry]] = {}
    for entry in entries:
        name = entry.variable.removeprefix(settings_env.PREFIX)
        block, _, tail = name.partition("__")
        found.setdefault(f"*__{tail}" if block.lower() in PROVIDERS else name, []).append(entry)
    return list(found.values())


def _row(together: list[Entry]) -> str:
    """The row of one setting, or of the same one at several providers."""
    from settings import env as settings_env

    bare = {prefixed: name for name, prefixed in settings_env.BARE_NAMES.items()}
    names = (f"`{name}`" + (f" or `{bare[name]}`" if name in bare else "") for name in (entry.variable for entry in together))
    defaults = dict.fromkeys("–" if entry.value is None else f"`{_short(_text(entry.value))}`" for entry in together)
    described = dict.fromkeys(entry.field.description or "" for entry in together)
    cells = ("<br>".join(names), "<br>".join(defaults), allowed(together[0].field), " ".join(described))
    return f"| {' | '.join(cells)} |"


def allowed(field: FieldInfo) -> str:
    """The limits of a field in words, e.g. `1 … 1000`, `> 0`; empty where the description says them."""
    if field.annotation is bool:
        return "true, false"
    choices = [
        choice for one in (field.annotation, *get_args(field.annotation)) for choice in get_args(one) if isinstance(choice, str)
    ]
    if choices:
        return ", ".join(choices)
    limits = {
        name: getattr(constraint, name)
        for constraint in field.metadata
        for name in ("gt", "ge", "le")
        if getattr(constraint, name, None) is not None
    }
    if "gt" in limits:
        return f"> {limits['gt']:,}" + (f", at most {limits['le']:,}" if "le" in limits else "")
    if "ge" in limits:
        return f"{limits['ge']:,} … {limits['le']:,}" if "le" in limits else f"≥ {limits['ge']:,}"
    return ""


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return ",".join(str(part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= _CELL_LENGTH else text[:_CELL_LENGTH] + "…"


def _print_table(entries: list[Entry]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("setting", no_wrap=True)
    for name in ("value", "source"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        value = shown(entry)
        style = "" if entry.source else "dim"
        # Text, not str: a value in square brackets would be taken for markup and vanish.
        table.add_row(
            entry.variable, Text("–" if value is None else _short(_text(value))), entry.source or "default", style=style
        )
    print_whole(table)
