"""What a partition must still know of records that are done: which ids came, and what each round was brought.

The worker asks its tables, on disk (tables.history). Where there are none, a forecast or a test remembers it in memory.
"""

from bisect import insort
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from domain.comparison import Member
from domain.rounds import COUNTED, Brought, RoundEntry


class Known(Struct, frozen=True, gc=False):
    """A correlation id that was seen: where it came first, with what content, and when that was appended."""

    member: Member
    content_sha256: str
    append_ms: int = 0


class History(Protocol):
    """What decisions ask of the past."""

    def known(self, ids: Sequence[str], at_ms: int) -> dict[str, Known]:
        """Those of the ids that came within the dedup retention before this time.

        It may hold ids of records that are only to be read again: whoever asks compares the offset.
        """

    def brought(self, round_key: str, before: int) -> list[Brought]:
        """What records before this offset brought to a round, in the order of the log."""

    def count(self, at_ms: int) -> int:
        """How many ids are known at this time."""

    def note(self, entries: Iterable[RoundEntry]) -> None:
        """A record has been learned. A history on disk has its rows already: they are written with the entries."""


class RememberedHistory:
    """In memory, for ever: for a forecast, for reading the work topic afterwards, for tests."""

    def __init__(self) -> None:
        self._ids: dict[str, Known] = {}
        self._rounds: dict[str, list[Brought]] = {}

    def known(self, ids: Sequence[str], at_ms: int) -> dict[str, Known]:
        """See History."""
        return {one: self._ids[one] for one in ids if one in self._ids}

    def brought(self, round_key: str, before: int) -> list[Brought]:
        """See History."""
        return [one for one in self._rounds.get(round_key, ()) if one.offset < before]

    def count(self, at_ms: int) -> int:
        """See History."""
        return len(self._ids)

    def note(self, entries: Iterable[RoundEntry]) -> None:
        """See History."""
        for entry in entries:
            insort(self._rounds.setdefault(entry.round_key, []), entry.brought)
            for arrival in entry.arrivals:
                if arrival.standing in COUNTED:
                    known = Known(entry.member(arrival), arrival.content_sha256, entry.append_ms)
                    self._ids.setdefault(arrival.correlation_id, known)
