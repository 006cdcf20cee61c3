"""What adding up the statuses of several workers is made of."""

from collections.abc import Iterable, Mapping


def known(values: Iterable[float | None]) -> list[float]:
    """Those that are told."""
    return [value for value in values if value is not None]


def counted(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sums by name, in the order in which names come first."""
    found: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            found[name] = found.get(name, 0) + count
    return found
