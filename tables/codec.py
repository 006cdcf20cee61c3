"""The bytes of table values: a version byte, then JSON."""

from collections.abc import Callable
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
    Values of earlier versions are still read: fields that they lack have defaults. `lowest`: the lowest version whose workers
    can read a value, where that is not the same for all: an older worker then stops at what is new to it alone.
    """

    def __init__(self, kind: type[V], version: int = FIRST_VERSION, lowest: Callable[[V], int] | None = None) -> None:
        self._encode, self._decoder = msgspec.json.Encoder().encode, msgspec.json.Decoder(kind)
        self._version, self._begin, self._lowest = version, with_version(b"", version), lowest

    def encode(self, value: V) -> bytes:
        """Value to bytes."""
        return self.begin(value) + self._encode(value)

    def begin(self, value: V) -> bytes:
        """The version byte that a value bears."""
        return self._begin if self._lowest is None else with_version(b"", self._lowest(value))

    def decode(self, raw: bytes) -> V:
        """Bytes to value. Raises UnknownVersion, and UnreadableEntry for bytes that no worker has written."""
        body = body_of(raw, self._version)
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableEntry(f"a table value of {len(raw)} bytes cannot be read: {error}") from None
