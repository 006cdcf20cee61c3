"""The `roundbatch` command: one module a subcommand.

A subcommand's module imports only typer at its top; what is heavy (Faust, the SDKs, matplotlib, rich) is imported inside the
function that needs it, so that `roundbatch --help` answers at once. `tests/unit/cli/test_start_up.py` holds it to that.
"""

from typing import Annotated

import typer

from cli import cancel, compare, config, dead_letters, demo, gateway, jobs, packages, results, simulator, submit, worker
from cli.closed_pipe import until_closed
from cli.explain import command as explain
from cli.quality import command as quality
from cli.watch import command as watch

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to load than everything else that --help needs
    context_settings={"max_content_width": 128},
    help="Comparative Judgement rounds, through LLM batch jobs, on Kafka.",
)


def _print_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        typer.echo(f"roundbatch {version('roundbatch')}")
        raise typer.Exit


@app.callback()
def roundbatch(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Comparative Judgement rounds, through LLM batch jobs, on Kafka."""
    try:
        packages.check_own_packages()
        packages.check_command(context.invoked_subcommand)
    except (packages.ForeignPackage, packages.CommandMissing) as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(config.EXIT_UNUSABLE) from None


app.command("worker")(worker.worker)
app.command("gateway")(gateway.gateway)
app.command("config")(until_closed(config.config))
app.command("submit")(until_closed(submit.submit))
app.command("results")(until_closed(results.results))
app.command("explain")(until_closed(explain.explain))
app.add_typer(quality.app, name="quality")
app.command("jobs")(until_closed(jobs.jobs))
app.command("watch")(watch.watch)
app.command("cancel")(until_closed(cancel.cancel))
app.command("dead-letters")(until_closed(dead_letters.dead_letters))
app.command("simulator")(simulator.simulator)
app.command("demo")(demo.demo)
app.command("compare")(compare.compare)
