"""The Kafka that `roundbatch compare` uses: yours if KAFKA_BOOTSTRAP_SERVERS names one, otherwise the demo's in memory."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from compare.real import Place
from demo import broker
from demo.environment import clean_environment
from demo.processes import Processes
from demo.services import EMBEDDED, LISTENING_S
from settings.settings import load_settings
from streams.kafka import security

_OWN_PARTITIONS = 2


@contextmanager
def place(environment: Mapping[str, str], folder: Path, providers: Mapping[str, str]) -> Iterator[Place]:
    """A place for real runs, which keep their state and logs in the folder.

    Errors: ProcessFailed; for your own Kafka UnusableSettings, and what `kafka_security.check` raises.
    """
    own = broker.of_environment(environment)
    if own:
        asyncio.run(security.check(load_settings(own)))
        yield Place({**own, "ROUNDBATCH_PARTITIONS": str(_OWN_PARTITIONS)}, providers, environment, folder)
        return
    with Processes(folder / "logs") as processes:
        process = processes.start("broker", [sys.executable, "-m", "demo.broker"], clean_environment(environment))
        server = str(processes.wait_event(process, broker.EVENT, LISTENING_S)["bootstrap_servers"])
        yield Place({"KAFKA_BOOTSTRAP_SERVERS": server, **EMBEDDED.settings}, providers, environment, folder)
