"""Apache Kafka from its own jars: one KRaft node as a child process, no container."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.brokers import debian
from tests.brokers.child import end_with_parent
from tests.brokers.errors import BrokerUnavailable
from tests.brokers.java import Java, find_java
from tests.brokers.ports import free_ports
from tests.brokers.properties import CLUSTER_ID, KAFKA_VERSION, Ports, server_properties
from tests.brokers.serving import wait_until_serving

CHECKOUT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("pom.xml")
MAVEN_TIMEOUT_S = 600
START_TIMEOUT_S = 90
# A port that was free when looked at can be taken before the node binds it.
TRIES = 3


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A broker of this process: gives its bootstrap servers; afterwards ends it and deletes its data.

    BrokerUnavailable where the jars cannot be had or the node does not start.
    """
    java = find_java()
    libs = fetch(java)
    for remaining in reversed(range(TRIES)):
        with tempfile.TemporaryDirectory(prefix="roundbatch-kafka-") as folder:
            try:
                process, bootstrap = _start(java, libs, Path(folder))
            except _PortTaken:
                if remaining:
                    continue
                raise
            try:
                yield bootstrap
            finally:
                _end(process)
        return


def fetch(java: Java, cache: Path = CHECKOUT / "build" / "kafka") -> Path:
    """The folder with Kafka's 45 jars (43 MB), copied there by Maven unless an earlier run has done it.

    Safe for processes that ask at the same time: one copies under a lock, the others wait. The folder's name
    follows pom.xml, and it appears with all of its jars or not at all.
    """
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    libs = cache / f"{KAFKA_VERSION}-{digest}"
    stamp = libs / "complete"
    if stamp.exists():
        return libs
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            arriving = cache / f"{libs.name}.arriving"
            for leftover in (arriving, libs):
                shutil.rmtree(leftover, ignore_errors=True)
            _copy_dependencies(java, arriving)
            (arriving / "complete").touch()
            arriving.rename(libs)
    return libs


def _copy_dependencies(java: Java, into: Path) -> None:
    if shutil.which("mvn") is None:
        if not debian.can_install():
            raise BrokerUnavailable("Maven (mvn) is not on PATH; install it, on Debian: apt-get install -y maven")
        debian.install("maven")
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(POM), "dependency:copy-dependencies"]
    try:
        subprocess.run(
            [*command, f"-DoutputDirectory={into}", "-DincludeScope=runtime"],
            # Maven needs a Java of its own; a machine without one has that of the wheel.
            env={**os.environ, "JAVA_HOME": str(java.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MAVEN_TIMEOUT_S,
            check=True,
        )
    except subprocess.CalledProcessError as failed:
        told = failed.stdout.strip()[:800]
        raise BrokerUnavailable(f"Maven could not copy Kafka's jars (is its repository reachable?): {told}") from failed
    except subprocess.TimeoutExpired as slow:
        raise BrokerUnavailable(f"Maven took over {MAVEN_TIMEOUT_S} s to copy Kafka's jars") from slow
    if not any(into.glob("kafka_2.13-*.jar")):
        raise BrokerUnavailable(f"Maven left no kafka_2.13 jar in {into}; see {POM.name}")


class _PortTaken(BrokerUnavailable):
    """The node could not bind one of its ports."""


def _start(java: Java, libs: Path, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    ports = Ports(*free_ports(3))
    config = folder / "server.properties"
    config.write_text(server_properties(ports, log_dir=str(folder / "data")))
    _format(java, libs, config)
    output = folder / "broker.log"
    with open(output, "wb") as log:
        process = subprocess.Popen(
            [*end_with_parent("KILL"), *_java(java, libs, "-Xmx512m"), "kafka.Kafka", str(config)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the tests: they end the broker when they are done with it.
            start_new_session=True,
        )

    def check_alive() -> None:
        if process.poll() is not None:
            told = output.read_text(errors="replace")
            kind = _PortTaken if "Address already in use" in told else BrokerUnavailable
            raise kind(f"Kafka ended with exit code {process.returncode} while starting: {told[-1500:]}")

    bootstrap = f"127.0.0.1:{ports.client}"
    try:
        wait_until_serving(bootstrap, timeout_s=START_TIMEOUT_S, check_alive=check_alive)
    except BaseException:
        _end(process)
        raise
    return process, bootstrap


def _format(java: Java, libs: Path, config: Path) -> None:
    """Write the node's identity into its empty log directory, without which it refuses to start."""
    command = [*_java(java, libs, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"), "kafka.tools.StorageTool"]
    done = subprocess.run(
        [*command, "format", "--cluster-id", CLUSTER_ID, "--config", str(config)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise BrokerUnavailable(f"Kafka's StorageTool ended with {done.returncode}: {(done.stdout + done.stderr)[-800:]}")


def _java(java: Java, libs: Path, *options: str) -> list[str]:
    return [str(java.binary), *options, "-cp", f"{libs}/*"]


def _end(process: subprocess.Popen[bytes]) -> None:
    # Its data is deleted next, so there is nothing to shut down in order.
    process.kill()
    process.wait(timeout=30)
