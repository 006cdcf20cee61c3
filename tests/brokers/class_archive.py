"""How Kafka's classes are run: Java with Kafka's jars, and an archive of their classes that halves the CPU time of a start.

The archive is what Java calls dynamic class data sharing: classes as they are in memory once they are read and checked. It is
made once, by a node that is started and stopped for it. Java goes on without one that does not fit it.
"""

import fcntl
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.brokers.jars import fetch
from tests.brokers.java import Java, find_java
from tests.brokers.node import QUICK, Node
from tests.brokers.topics import create_topics


def java_command() -> list[str]:
    """What runs a class of Kafka's, with the archive. BrokerUnavailable where the jars cannot be had."""
    java = find_java()
    libs = fetch(java)
    command = [str(java.binary), "-cp", f"{libs}/*"]
    archive = libs / f"classes-{_fits(java, libs)}.jsa"
    with open(libs.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _make(command, archive)
    return [*command, f"-XX:SharedArchiveFile={archive}"]


def _fits(java: Java, libs: Path) -> str:
    """An archive serves one build of Java, and one place of the jars."""
    release = java.home / "release"
    build = release.read_bytes() if release.exists() else str(java.binary).encode()
    return hashlib.sha256(build + str(libs).encode()).hexdigest()[:8]


def _make(command: Sequence[str], archive: Path) -> None:
    """Java writes the archive when it ends in order; it appears whole or not at all."""
    arriving = archive.with_suffix(".arriving")
    arriving.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="roundbatch-kafka-") as folder:
        node = Node(command, Path(folder), options=(*QUICK, f"-XX:ArchiveClassesAtExit={arriving}"))
        try:
            node.format()
            node.start()
            node.wait_serving()
            create_topics(node.bootstrap, {"t-archive": 1})
            node.stop()
        finally:
            node.kill()
    if arriving.exists():
        arriving.rename(archive)
