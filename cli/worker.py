"""`roundbatch worker`: the Kafka worker."""

import typer

from cli.config import EXIT_UNUSABLE, settings_or_exit

EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h: start it again later


def worker() -> None:
    """Run a worker until SIGTERM.

    Exit 0 after a clean stop, 69 without Kafka, 70 when it stopped itself to be started again, 78 when refused.
    """
    from aiokafka.errors import KafkaError

    from agents.health import HealthUnavailable
    from agents.worker import main
    from streams import logs
    from streams.topics import UnfitTopics
    from tables.state_dir import StateDirUnusable

    settings = settings_or_exit()
    logs.configure(settings.log_level)
    for warning in settings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    try:
        main(settings)
    except (HealthUnavailable, StateDirUnusable, UnfitTopics) as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(EXIT_UNUSABLE) from None
    except KafkaError as error:
        servers = settings.kafka_bootstrap_servers
        typer.echo(f"no Kafka at {servers}: {error!r}; set KAFKA_BOOTSTRAP_SERVERS, or start it and try again", err=True)
        raise typer.Exit(EXIT_UNAVAILABLE) from None
