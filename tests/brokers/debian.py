"""Packages of a Debian machine on which we are root: a bare CI machine, a container."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.brokers.errors import BrokerUnavailable

INSTALL_TIMEOUT_S = 600


def can_install() -> bool:
    """Whether apt-get is here and we may use it."""
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None and os.geteuid() == 0


def install(package: str) -> None:
    """Install one package with apt-get, and say so on stderr; BrokerUnavailable where apt-get fails."""
    sys.stderr.write(f"tests/brokers: apt-get install {package} (it was missing, and we are root)\n")
    _update()
    _apt_get("install", "--yes", "--no-install-recommends", package)


@functools.cache
def _update() -> None:
    _apt_get("update")


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(
            ["apt-get", "-qq", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=True,
        )
    except subprocess.CalledProcessError as failed:
        raise BrokerUnavailable(f"apt-get {' '.join(arguments)} failed: {failed.stdout.strip()[-500:]}") from failed
    except subprocess.TimeoutExpired as slow:
        raise BrokerUnavailable(f"apt-get {' '.join(arguments)} took over {INSTALL_TIMEOUT_S} s") from slow
