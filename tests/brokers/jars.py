"""Apache Kafka's own jars, copied by Maven once."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.brokers import debian
from tests.brokers.errors import BrokerUnavailable
from tests.brokers.java import Java
from tests.brokers.properties import KAFKA_VERSION

CHECKOUT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("pom.xml")
MAVEN_TIMEOUT_S = 600


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
