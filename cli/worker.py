"""`roundbatch worker`: the Kafka worker."""

import typer

from cli.config import EXIT_UNUSABLE, settings_or_exit
from cli.kafka import EXIT_UNAVAILABLE, no_kafka


def worker() -> None:
    """Run a worker until SIGTERM.

    Exit 0 after a clean stop, 69 without Kafka, 70 when it stopped itself to be started again, 78 when refused.
    """
    from aiokafka.errors import KafkaError

    from agents.health import HealthUnavailable
    from agents.worker import main
    from streams import logs
    from streams.kafka_security import KafkaRefused
    from streams.topics import UnfitTopics
    from tables.state_dir import StateDirUnusable

    settings = settings_or_exit()
    logs.configure(settings.log_level)
    for warning in settings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    try:
        main(settings)
    except (HealthUnavailable, KafkaRefused, StateDirUnusable, UnfitTopics) as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(EXIT_UNUSABLE) from None
    except KafkaError as error:
        typer.echo(no_kafka(error), err=True)
        raise typer.Exit(EXIT_UNAVAILABLE) from None
