"""One KRaft node as a child process, from Apache Kafka's own jars: no container."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.brokers.class_archive import java_command
from tests.brokers.node import QUICK, Node, PortTaken

# A port that was free when looked at can be taken before the node binds it.
TRIES = 3


@contextlib.contextmanager
def running(options: Sequence[str] = QUICK) -> Iterator[str]:
    """A broker of this process: gives its bootstrap servers; afterwards ends it and deletes its data.

    BrokerUnavailable where the jars cannot be had or the node does not start.
    """
    java = java_command()
    for remaining in reversed(range(TRIES)):
        with tempfile.TemporaryDirectory(prefix="roundbatch-kafka-") as folder:
            node = Node(java, Path(folder), options=options)
            try:
                node.format()
                node.start()
                try:
                    node.wait_serving()
                except PortTaken:
                    if remaining:
                        continue
                    raise
                yield node.bootstrap
            finally:
                # Its data is deleted next, so there is nothing to shut down in order.
                node.kill()
        return
