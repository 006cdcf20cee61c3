"""How a command with processes of its own ends: they are ended too, and the exit code says why."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from aiokafka.errors import KafkaError

from cli.config import EXIT_UNUSABLE
from cli.kafka import EXIT_UNAVAILABLE, no_kafka
from demo.processes import ProcessFailed
from settings.settings import UnusableSettings
from streams.kafka.security import KafkaRefused


@contextmanager
def processes_end(of: str) -> Iterator[None]:
    """Exit with a line on stderr: 1 where a process fails, 78 where a setting does, 69 without the Kafka that was named, and
    130 on Ctrl-C. `of` says for the message whose processes they are.

    SIGTERM and a closed terminal raise SystemExit, so that the body ends its processes as on Ctrl-C.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        yield
    except ProcessFailed as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(1) from None
    except (KafkaRefused, UnusableSettings) as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(EXIT_UNUSABLE) from None
    except KafkaError as error:
        typer.echo(no_kafka(error), err=True)
        raise typer.Exit(EXIT_UNAVAILABLE) from None
    except KeyboardInterrupt:
        typer.echo(f"interrupted: all processes of {of} have ended", err=True)
        raise typer.Exit(130) from None
