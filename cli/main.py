"""The `roundbatch` command: one module a subcommand.

A subcommand's module imports only typer at its top; what is heavy (Faust, the SDKs, matplotlib) is imported inside the
function, so that `roundbatch config` answers at once.
"""

import typer

from cli import cancel, compare, config, demo, explain, jobs, packages, results, simulator, submit, watch, worker

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Comparative Judgement rounds, through LLM batch jobs, on Kafka.",
)


@app.callback()
def roundbatch(context: typer.Context) -> None:
    """Comparative Judgement rounds, through LLM batch jobs, on Kafka."""
    try:
        packages.check_own_packages()
        packages.check_command(context.invoked_subcommand)
    except (packages.ForeignPackage, packages.CommandMissing) as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(config.EXIT_UNUSABLE) from None


app.command("worker")(worker.worker)
app.command("config")(config.config)
app.command("submit")(submit.submit)
app.command("results")(results.results)
app.command("explain")(explain.explain)
app.command("jobs")(jobs.jobs)
app.command("watch")(watch.watch)
app.command("cancel")(cancel.cancel)
app.command("simulator")(simulator.simulator)
app.command("demo")(demo.demo)
app.command("compare")(compare.compare)
