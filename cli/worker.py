"""`roundbatch worker`: the Kafka worker."""

import typer

from cli.config import EXIT_UNUSABLE, settings_or_exit


def worker() -> None:
    """Run a worker until SIGTERM; exit 0 after a clean stop, 70 when it stopped itself to be started again, 78 when refused."""
    from agents.health import HealthUnavailable
    from agents.worker import main
    from streams import logs
    from streams.topics import UnfitTopics
    from tables.state_dir import StateDirInUse

    settings = settings_or_exit()
    logs.configure(settings.log_level)
    for warning in settings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    try:
        main(settings)
    except (HealthUnavailable, StateDirInUse, UnfitTopics) as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(EXIT_UNUSABLE) from None
