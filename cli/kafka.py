"""What all commands that speak to Kafka share: how they find it, and how they end when it does not let them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from settings.kafka import KafkaSettings
    from settings.settings import Settings

EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h: try again later

T = TypeVar("T")


def _checked(servers: str | None) -> str | None:
    from settings.kafka import bootstrap_servers

    if servers is None:
        return None
    try:
        return bootstrap_servers(servers)
    except ValueError as error:
        raise typer.BadParameter(f"{servers!r} {error}") from None


BootstrapServers = Annotated[
    str | None,
    typer.Option(
        help="Kafka, as host:port[,host:port…], in place of KAFKA_BOOTSTRAP_SERVERS.", callback=_checked, show_default=False
    ),
]


def settings_at(servers: str | None) -> Settings:
    """The settings of this environment, as the worker takes them, with Kafka at these servers where some are named."""
    from cli.config import settings_or_exit

    return settings_or_exit() if servers is None else settings_or_exit({"ROUNDBATCH_KAFKA_BOOTSTRAP_SERVERS": servers})


def run(kafka: KafkaSettings, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's work if Kafka lets us in. If not: a line on stderr, and exit 78 (refused) or 69 (no Kafka).

    A missing right counts as refused too, even where it shows only during the work.
    """
    import asyncio

    from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

    from cli.config import EXIT_UNUSABLE
    from streams.kafka import security
    from streams.kafka.rights import MissingRights

    async def let_in_first() -> T:
        try:
            await security.check(kafka)
        except security.KafkaRefused as refusal:
            typer.echo(str(refusal), err=True)
            raise typer.Exit(EXIT_UNUSABLE) from None
        except KafkaError as error:
            typer.echo(no_kafka(error), err=True)
            raise typer.Exit(EXIT_UNAVAILABLE) from None
        try:
            return await work()
        except (MissingRights, TopicAuthorizationFailedError) as refusal:  # the latter where Kafka tells no rights
            typer.echo(str(refusal), err=True)
            raise typer.Exit(EXIT_UNUSABLE) from None

    return asyncio.run(let_in_first())


def no_kafka(error: Exception) -> str:
    """The line for stderr when no Kafka answers."""
    said = error.args[0] if error.args else repr(error)
    return f"no Kafka answers: {said}; set KAFKA_BOOTSTRAP_SERVERS, or start it and try again"
