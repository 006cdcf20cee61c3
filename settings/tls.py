"""How connections to Kafka are encrypted: an SSL context made of PEM files. An error says which file is wrong, and how."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

from pydantic import SecretStr

__all__ = ["NamedFile", "SSLContext", "context"]


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, and the setting that names it."""

    setting: str
    path: Path

    @classmethod
    def of(cls, setting: str, path: Path | None) -> "NamedFile | None":
        """None where the setting is not set."""
        return None if path is None else cls(setting, path)

    def __str__(self) -> str:
        return f"{self.setting}={str(self.path)!r}"

    def check_readable(self) -> None:
        """Raise ValueError where it cannot be read: OpenSSL would not say which file it was."""
        try:
            self.path.read_bytes()
        except OSError as error:
            raise ValueError(f"{self} cannot be read: {error.strerror}") from None


def context(
    *,
    ca: NamedFile | None,
    cert: NamedFile | None,
    key: NamedFile | None,
    key_password: SecretStr | None,
    password_name: str,
    check_hostname: bool,
) -> SSLContext:
    """A client's context: the server's certificate is always checked, its host name unless told otherwise.

    Errors: ValueError, which names the setting and its file, and never holds the password.
    """
    for file in (ca, cert, key):
        if file is not None:
            file.check_readable()
    try:
        made = ssl.create_default_context(cafile=None if ca is None else str(ca.path))
    except ssl.SSLError as error:
        raise ValueError(f"{ca} holds no certificate in PEM ({error.reason or error})") from None
    # Python 3.13 began to refuse certificates that lack an extension which many private authorities leave out. Kafka's own
    # clients take them; whether a certificate is trusted does not depend on it.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.check_hostname = check_hostname
    if cert is not None and key is not None:
        _load(made, cert, key, key_password, password_name)
    return made


def _load(made: SSLContext, cert: NamedFile, key: NamedFile, key_password: SecretStr | None, password_name: str) -> None:
    asked = False

    def password() -> str:
        # This function is always given: without it OpenSSL would ask at the terminal.
        nonlocal asked
        asked = True
        return "" if key_password is None else key_password.get_secret_value()

    try:
        made.load_cert_chain(str(cert.path), str(key.path), password)
    except (ssl.SSLError, ValueError) as error:  # ValueError: the password is too long for OpenSSL
        if asked and key_password is None:
            raise ValueError(f"{key} is encrypted: set {password_name}") from None
        if asked:
            raise ValueError(f"{key} cannot be decrypted with {password_name}") from None
        reason = getattr(error, "reason", None) or error
        raise ValueError(f"{cert} and {key} are no certificate and its private key in PEM ({reason})") from None
