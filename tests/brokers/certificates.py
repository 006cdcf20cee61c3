"""An authority of the test's own, and what it signs: PEM files for brokers and clients, made by openssl."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.brokers import debian
from tests.brokers.errors import BrokerUnavailable

_CURVE = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
_TIMEOUT_S = 240
# What Python 3.13 and later insist on: an authority that says it is one, and what it signs says it is none.
_CONFIG = """[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[signed]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Signed:
    """A certificate with its key, in two files; the key's password is empty where it has none."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder. `ca` is what clients trust."""

    def __init__(self, folder: Path, name: str = "roundbatch test authority") -> None:
        if shutil.which("openssl") is None:
            if not debian.can_install():
                raise BrokerUnavailable("openssl is not on PATH; install it, on Debian: apt-get install -y openssl")
            debian.install("openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca, self._key = folder / "ca.pem", folder / "ca.key"
        (folder / "openssl.cnf").write_text(_CONFIG)
        self._openssl("-noenc", "-subj", f"/CN={name}", "-extensions", "authority", made=Signed(self.ca, self._key))

    def sign(self, name: str, *hosts: str, password: str = "") -> Signed:
        """Make a key and a certificate for CN=`name`; `hosts` ("IP:127.0.0.1", "DNS:localhost") are its other names."""
        made = Signed(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        encrypt = ("-passout", f"pass:{password}") if password else ("-noenc",)
        names = ("-addext", f"subjectAltName={','.join(hosts)}") if hosts else ()
        by = ("-CA", str(self.ca), "-CAkey", str(self._key))
        self._openssl(*encrypt, "-subj", f"/CN={name}", "-extensions", "signed", *names, *by, made=made)
        return made

    def _openssl(self, *arguments: str, made: Signed) -> None:
        command = ["openssl", "req", "-x509", "-config", str(self._folder / "openssl.cnf"), "-newkey", *_CURVE, "-days", "2"]
        done = subprocess.run(
            [*command, *arguments, "-out", str(made.certificate), "-keyout", str(made.key)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise BrokerUnavailable(f"openssl req ended with {done.returncode}: {done.stderr.strip()[-500:]}")
