"""The bytes of table values: a version byte, then JSON."""

from typing import Generic, TypeVar

import msgspec

from tables.faults import UnknownVersion, UnreadableEntry

V = TypeVar("V")
FIRST_VERSION = 1


def with_version(body: bytes, version: int = FIRST_VERSION) -> bytes:
    """A value with its version in front."""
    return bytes([version]) + body


def body_of(raw: bytes, version: int = FIRST_VERSION) -> bytes:
    """A value without its version byte. Raises UnknownVersion where that is of a newer worker."""
    if not raw or not FIRST_VERSION <= raw[0] <= version:
        raise UnknownVersion(
            f"a table value has version {raw[:1]!r}, this worker reads up to {version}: run the newer worker again"
        )
    return raw[1:]


class Codec(Generic[V]):
    """Encodes the values of one table.

    Raise `version` with every change after which an older worker could not read a value, or would decide something else by it.
    Values of earlier versions are still read: fields that they lack have defaults.
    """

    def __init__(self, kind: type[V], version: int = FIRST_VERSION) -> None:
        self._encode, self._decoder = msgspec.json.Encoder().encode, msgspec.json.Decoder(kind)
        self._version, self._begin = version, with_version(b"", version)

    def encode(self, value: V) -> bytes:
        """Value to bytes."""
        return self._begin + self._encode(value)

    def decode(self, raw: bytes) -> V:
        """Bytes to value. Raises UnknownVersion, and UnreadableEntry for bytes that no worker has written."""
        body = body_of(raw, self._version)
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableEntry(f"a table value of {len(raw)} bytes cannot be read: {error}") from None
