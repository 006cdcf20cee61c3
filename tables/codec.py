"""The bytes of table values: a version byte, then JSON."""

from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from tables.faults import UnknownVersion, UnreadableEntry

V = TypeVar("V")
VERSION = b"\x01"


def body_of(raw: bytes) -> bytes:
    """A value without its version. Raises UnknownVersion."""
    if raw[:1] != VERSION:
        raise UnknownVersion(
            f"a table value has version {raw[:1]!r}, this worker reads {VERSION!r}: run the newer worker again"
        )
    return raw[1:]


class Codec(Generic[V]):
    """Encodes the values of one table."""

    def __init__(self, kind: type[V]) -> None:
        self._adapter: TypeAdapter[V] = TypeAdapter(kind)

    def encode(self, value: V) -> bytes:
        """Value to bytes."""
        return VERSION + self._adapter.dump_json(value)

    def decode(self, raw: bytes) -> V:
        """Bytes to value. Raises UnknownVersion, and UnreadableEntry for bytes that no worker has written."""
        body = body_of(raw)
        try:
            return self._adapter.validate_json(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise UnreadableEntry(f"a table value of {len(raw)} bytes cannot be read: {found['msg']}") from None
