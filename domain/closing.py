"""When a window closes: at once, round complete, full, quiet, too old, or scheduled."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.comparison import Member
from domain.cutting import JobLimits, Pending, encoded_bytes, estimated_tokens
from domain.job import ClosedBy
from domain.nightly import Schedule
from domain.strategies import STRATEGIES, Closes


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
    tokens: int = 0
    opened_ms: int | None = None  # the append time of its earliest request: a schedule counts from there, over restarts
    tick_ms: int | None = None  # the first tick after that

    def add(self, pending: Pending) -> None:
        """Gather one more."""
        self.members[pending.member] = pending
        self.size_bytes += encoded_bytes(pending)
        self.tokens += estimated_tokens(pending)
        if self.opened_ms is None or pending.arrived_ms < self.opened_ms:
            self.opened_ms, self.tick_ms = pending.arrived_ms, None

    def remove(self, member: Member) -> None:
        """Let one go."""
        pending = self.members.pop(member, None)
        if pending is not None:
            self.size_bytes -= encoded_bytes(pending)
            self.tokens -= estimated_tokens(pending)


def due(
    window: Window,
    progress: Progress,
    now_ms: int,
    *,
    quiet_s: float,
    age_s: float,
    limits: Mapping[str, JobLimits],
    schedules: Mapping[str, Schedule],
) -> ClosedBy | None:
    """Why the window is to be closed now, or None. `limits` and `schedules` are by provider."""
    if not window.members:
        return None
    closes = STRATEGIES[window.strategy].closes
    if closes is Closes.AT_ONCE:
        return ClosedBy.AT_ONCE
    if closes is Closes.SCHEDULE:
        if _full(window, limits):
            return ClosedBy.FULL
        return ClosedBy.SCHEDULE if now_ms >= _tick_ms(window, schedules) else None
    if progress.complete:
        return ClosedBy.COMPLETE
    if _full(window, limits):
        return ClosedBy.FULL
    if now_ms >= window.last_ms + int(quiet_s * 1000):
        return ClosedBy.QUIET
    if now_ms >= window.first_ms + int(age_s * 1000):
        return ClosedBy.AGE
    return None


def _tick_ms(window: Window, schedules: Mapping[str, Schedule]) -> int:
    """The first tick later than the window's opening: one that downtime has missed is due at once, and once."""
    if window.tick_ms is None:
        provider = next(iter(window.members.values())).provider
        window.tick_ms = schedules[provider].next_tick_ms(window.opened_ms or 0)
    return window.tick_ms


def _full(window: Window, limits: Mapping[str, JobLimits]) -> bool:
    smallest = limits.values()  # a window far below every limit is not walked: timers ask many times a second
    if (
        len(window.members) < min(one.max_items for one in smallest)
        and window.size_bytes < min(one.max_bytes for one in smallest)
        and window.tokens < min(one.max_tokens for one in smallest)
    ):
        return False
    sums: dict[str, tuple[int, int, int]] = {}
    for pending in window.members.values():
        items, size, tokens = sums.get(pending.provider, (0, 0, 0))
        sums[pending.provider] = (items + 1, size + encoded_bytes(pending), tokens + estimated_tokens(pending))
    return any(
        items >= limits[name].max_items or size >= limits[name].max_bytes or tokens >= limits[name].max_tokens
        for name, (items, size, tokens) in sums.items()
    )
