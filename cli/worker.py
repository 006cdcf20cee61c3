"""`roundbatch worker`: the Kafka worker."""

import gc
import os
import signal
import sys
from typing import NoReturn

import typer

from cli.config import EXIT_UNUSABLE, settings_or_exit
from cli.kafka import EXIT_UNAVAILABLE, no_kafka

_GC_WHILE_LOADING = 100_000  # allocations; Python's default is 700


def worker() -> None:
    """Run a worker until SIGTERM.

    Exit 0 after a clean stop, 69 without Kafka, 70 when it stopped itself to be started again, 75 when another worker has its
    name in the group, 78 when refused.
    """
    # The first process of a container ignores SIGTERM until it has a handler for it, and loading takes seconds.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # What is loaded now stays for good, and looking through it for garbage again and again takes a third of the time of
    # loading. At the end of its start the worker sets how often garbage is to be collected.
    gc.set_threshold(_GC_WHILE_LOADING)
    from aiokafka.errors import (
        ClusterAuthorizationFailedError,
        GroupAuthorizationFailedError,
        KafkaError,
        TopicAuthorizationFailedError,
    )

    from agents.starting import StartTooLong
    from agents.status.endpoints import EndpointsUnavailable
    from agents.worker import main
    from streams import logs
    from streams.kafka.rights import MissingRights
    from streams.kafka.security import KafkaRefused
    from streams.kafka.static_member import NameTaken
    from streams.kafka.topics import UnfitTopics
    from tables.state_dir import StateDirUnusable

    settings = settings_or_exit()
    logs.configure(settings.log_level, for_good=True)
    for warning in settings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    try:
        main(settings)
    except (EndpointsUnavailable, KafkaRefused, MissingRights, StateDirUnusable, UnfitTopics) as refusal:
        end(str(refusal), EXIT_UNUSABLE)
    except (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError) as refusal:
        end(f"Kafka does not let the worker do what it must: {refusal}; docs/operations.md, Rights", EXIT_UNUSABLE)
    except NameTaken as refusal:
        end(str(refusal), refusal.exit_code)
    except StartTooLong as failure:
        end(str(failure), EXIT_UNAVAILABLE)
    except (KafkaError, TimeoutError) as error:
        end(no_kafka(error), EXIT_UNAVAILABLE)


def end(line: str, code: int) -> NoReturn:
    """End at once: what a start has left behind, Faust's threads above all, would hold up an ordinary exit."""
    from streams import logs

    logs.finish()
    typer.echo(line, err=True)
    sys.stderr.flush()
    os._exit(code)
