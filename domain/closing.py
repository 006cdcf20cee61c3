"""When a window closes: at once, round complete, full, quiet, or too old."""

from dataclasses import dataclass, field

from domain.comparison import Member
from domain.cutting import JobLimits, Pending, encoded_bytes
from domain.job import ClosedBy
from domain.strategies import STRATEGIES


@dataclass(slots=True)
class Progress:
    """How much of a round has come: distinct ids, bad ones included, and the parts of its round record."""

    ids: int = 0
    announced: int | None = None
    parts: int | None = None
    parts_seen: set[int] = field(default_factory=set)
    late: bool = False  # more has come after the last part

    @property
    def complete(self) -> bool:
        """Exactly as many distinct ids as announced, or every part of the round record.

        More ids than announced, or more after the last part, are latecomers: their window closes by quiet time. Without
        this each late single request of a round sent in records would be a batch job of its own.
        """
        if self.parts is not None:
            return not self.late and len(self.parts_seen) >= self.parts
        return self.announced is not None and self.ids == self.announced


@dataclass(slots=True)
class Window:
    """The open gathering of one round under one strategy. Times are the reader's clock, ms since the epoch."""

    round_key: str
    strategy: str
    first_ms: int
    last_ms: int
    members: dict[Member, Pending] = field(default_factory=dict)
    size_bytes: int = 0

    def add(self, pending: Pending) -> None:
        """Gather one more."""
        self.members[pending.member] = pending
        self.size_bytes += encoded_bytes(pending)

    def remove(self, member: Member) -> None:
        """Let one go."""
        pending = self.members.pop(member, None)
        if pending is not None:
            self.size_bytes -= encoded_bytes(pending)


def due(
    window: Window, progress: Progress, now_ms: int, *, quiet_s: float, age_s: float, limits: dict[str, JobLimits]
) -> ClosedBy | None:
    """Why the window is to be closed now, or None."""
    if not window.members:
        return None
    if STRATEGIES[window.strategy].at_once:
        return ClosedBy.AT_ONCE
    if progress.complete:
        return ClosedBy.COMPLETE
    if _full(window, limits):
        return ClosedBy.FULL
    if now_ms >= window.last_ms + int(quiet_s * 1000):
        return ClosedBy.QUIET
    if now_ms >= window.first_ms + int(age_s * 1000):
        return ClosedBy.AGE
    return None


def _full(window: Window, limits: dict[str, JobLimits]) -> bool:
    smallest = limits.values()  # a window far below every limit is not walked: timers ask many times a second
    if len(window.members) < min(one.max_items for one in smallest) and window.size_bytes < min(
        one.max_bytes for one in smallest
    ):
        return False
    items: dict[str, int] = {}
    size: dict[str, int] = {}
    for pending in window.members.values():
        items[pending.provider] = items.get(pending.provider, 0) + 1
        size[pending.provider] = size.get(pending.provider, 0) + encoded_bytes(pending)
    return any(items[name] >= limits[name].max_items or size[name] >= limits[name].max_bytes for name in items)
