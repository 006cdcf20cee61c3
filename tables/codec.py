"""The bytes of table values: a version byte, then JSON."""

from typing import Generic, TypeVar

from pydantic import TypeAdapter

V = TypeVar("V")
_VERSION = b"\x01"


class UnknownVersion(ValueError):
    """A value was written by a newer worker than this one."""


class Codec(Generic[V]):
    """Encodes the values of one table."""

    def __init__(self, kind: type[V]) -> None:
        self._adapter: TypeAdapter[V] = TypeAdapter(kind)

    def encode(self, value: V) -> bytes:
        """Value to bytes."""
        return _VERSION + self._adapter.dump_json(value)

    def decode(self, raw: bytes) -> V:
        """Bytes to value. Raises UnknownVersion, or pydantic.ValidationError for damaged bytes."""
        if raw[:1] != _VERSION:
            raise UnknownVersion(
                f"a table value has version {raw[:1]!r}, this worker reads {_VERSION!r}: run the newer worker again"
            )
        return self._adapter.validate_json(raw[1:])
