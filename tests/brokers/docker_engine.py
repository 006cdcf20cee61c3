"""A Docker engine for the container tests: the one that answers, else one of our own for as long as it is needed.

Testcontainers starts containers in an engine that runs already. It can neither install an engine nor start one, nor does it end
one with whoever needed it, and that is what this module is for.

`python -m tests.brokers.docker_engine COMMAND…` runs a command with an engine in reach and ends with its exit code,
or with 75 where no engine answers and none can be started.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]

from tests.brokers import debian
from tests.brokers.child import end_with_parent
from tests.brokers.errors import BrokerUnavailable

DEFAULT_HOST = "unix:///var/run/docker.sock"
NO_ENGINE = 75  # EX_TEMPFAIL of sysexits.h
START_TIMEOUT_S = 240
STOP_TIMEOUT_S = 240
BRIDGE = Path("/sys/class/net/docker0")


def answers(host: str | None = None) -> bool:
    """Whether an engine answers at `host` (a URL), or at the place that DOCKER_HOST names."""
    url = host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    # Docker's client leaks the socket of a connection that was refused, and warnings are errors in the tests.
    if url.startswith("unix://") and not _listens(url.removeprefix("unix://")):
        return False
    try:
        with contextlib.closing(
            docker.DockerClient(base_url=host, timeout=5) if host else docker.from_env(timeout=5)
        ) as client:
            return bool(client.ping())
    except (DockerException, OSError):
        return False


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


@contextlib.contextmanager
def running_engine() -> Iterator[None]:
    """An engine in reach of `docker.from_env()`: DOCKER_HOST points at ours if we had to start one.

    Ours listens on a unix socket in a temporary folder, keeps its data there and leaves the machine's packet filter
    alone; it is ended by its pid. BrokerUnavailable where no engine answers and we are not root on Debian.
    """
    if answers():
        yield
        return
    if shutil.which("dockerd") is None:
        if not debian.can_install():
            raise BrokerUnavailable("no Docker engine answers, and only root on Debian can have one started here")
        debian.install("docker.io")
    if answers():  # the package starts its service where the machine has an init system
        yield
        return
    if os.geteuid() != 0:
        raise BrokerUnavailable("no Docker engine answers, and starting dockerd needs root")
    with tempfile.TemporaryDirectory(prefix="roundbatch-docker-", ignore_cleanup_errors=True) as folder:
        host = f"unix://{folder}/docker.sock"
        bridge_was_there = BRIDGE.exists()
        process = _start(Path(folder), host)
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = host
        try:
            yield
        finally:
            _end(process)
            _unmount_below(folder)
            if not bridge_was_there:
                _remove_bridge()
            del os.environ["DOCKER_HOST"]
            if before is not None:
                os.environ["DOCKER_HOST"] = before


def _start(folder: Path, host: str) -> subprocess.Popen[bytes]:
    output = folder / "dockerd.log"
    with open(output, "wb") as log:
        process = subprocess.Popen(
            [
                *end_with_parent("TERM"),
                "dockerd",
                f"--host={host}",
                f"--data-root={folder / 'data'}",
                f"--exec-root={folder / 'run'}",
                f"--pidfile={folder / 'dockerd.pid'}",
                # Published ports go through docker-proxy, and the containers need nothing from outside.
                "--iptables=false",
                "--ip6tables=false",
                "--ip-masq=false",
                "--ip-forward=false",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + START_TIMEOUT_S
    while not answers(host):
        if process.poll() is not None or time.monotonic() > until:
            _end(process)
            told = output.read_text(errors="replace").strip()[-600:]
            raise BrokerUnavailable(f"dockerd did not answer within {START_TIMEOUT_S} s, or ended: {told}")
        time.sleep(0.1)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have dockerd stop its containers and its containerd; kill it only when it does not."""
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=STOP_TIMEOUT_S)


def _unmount_below(folder: str) -> None:
    """dockerd leaves a network namespace mounted when a container had the machine's own network."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed([point for point in mounted if point.startswith(f"{folder}/")]):
        subprocess.run(["umount", point], timeout=STOP_TIMEOUT_S, check=False)


def _remove_bridge() -> None:
    """dockerd leaves the network interface that it made."""
    if BRIDGE.exists() and (ip := shutil.which("ip")):
        subprocess.run([ip, "link", "delete", BRIDGE.name], timeout=STOP_TIMEOUT_S, check=False)


def main(command: list[str]) -> int:
    """Run a command with an engine in reach; its exit code, or 75 and a line on stderr where there is none."""
    if not command:
        sys.stderr.write("usage: python -m tests.brokers.docker_engine COMMAND…\n")
        return 2
    try:
        with running_engine():
            return subprocess.run(command, check=False).returncode
    except BrokerUnavailable as failed:
        sys.stderr.write(f"{failed}\n")
        return NO_ENGINE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
