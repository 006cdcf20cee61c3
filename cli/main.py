"""The `roundbatch` command: one module a subcommand, imported only when it is called."""

import importlib
from typing import Any

import click
import typer
from typer.core import TyperGroup
from typer.main import get_command

# subcommand -> (module that holds a typer app of one command, one line of help)
COMMANDS = {
    "simulator": ("cli.simulator", "Serve both provider APIs locally, with faults and a ledger."),
    "demo": ("cli.demo", "Play two assignments through the worker and draw the ranking."),
}


class LazyGroup(TyperGroup):
    """Imports a subcommand's module when it is called: `roundbatch config` need not load Faust."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, help_line = COMMANDS[cmd_name]
        command: Any = get_command(importlib.import_module(module).app)
        command.help = command.help or help_line
        return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    help="Comparative Judgement rounds, through LLM batch jobs, on Kafka.",
)


@app.callback()
def roundbatch() -> None:
    """Comparative Judgement rounds, through LLM batch jobs, on Kafka."""
