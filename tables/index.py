"""Rows beside the entries of a table, by which what is asked for is found without reading them all.

Rows are derived from entries, local to a store, and in no changelog. An entry and its rows are written in one batch, so no kill
parts them. They are derived from an entry's bytes where it comes from the changelog, and once for all entries of a store that
an earlier version of the worker has written. Names begin with one letter, the row's kind; numbers in them are big-endian, so
that rows of a kind are in the order of their numbers.
"""

from collections.abc import Callable, Iterable

PREFIX = b"__roundbatch\0"  # sorts after all entries: their keys begin with the number of their partition

Row = tuple[bytes, bytes]
Get = Callable[[bytes], bytes | None]  # the value of a row, by its name
# The rows of an entry that comes from the changelog: its key, its value, the value it replaces, and how to read other rows.
Derive = Callable[[bytes, bytes, bytes | None, Get], Iterable[Row]]


def number(value: int) -> bytes:
    """A number within a row's name."""
    return value.to_bytes(8, "big")


def number_at(name: bytes, place: int) -> int:
    """The number that begins at this place of a row's name."""
    return int.from_bytes(name[place : place + 8], "big")
