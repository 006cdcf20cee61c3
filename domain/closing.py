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
class Load:
    """How much of a window goes to one provider, by the estimates that jobs are cut by."""

    items: int = 0
    size_bytes: int = 0
    tokens: int = 0

    def count(self, pending: Pending, sign: int) -> None:
        """Add a comparison (1) or take it out (-1)."""
        self.items += sign
        self.size_bytes += sign * encoded_bytes(pending)
        self.tokens += sign * estimated_tokens(pending)

    def reaches(self, limits: JobLimits) -> bool:
        """Whether it fills a job."""
        return self.items >= limits.max_items or self.size_bytes >= limits.max_bytes or self.tokens >= limits.max_tokens


@dataclass(slots=True)
class Window:
    """The open gathering of one round under one strategy. Times are the reader's clock, ms since the epoch."""

    round_key: str
    strategy: str
    first_ms: int
    last_ms: int
    members: dict[Member, Pending] = field(default_factory=dict)
    loads: dict[str, Load] = field(default_factory=dict)  # by provider: timers ask many times a second, and never walk it
    opened_ms: int | None = None  # the append time of its earliest request: a schedule counts from there, over restarts
    tick_ms: int | None = None  # the first tick after that

    @property
    def size_bytes(self) -> int:
        """The encoded size of all that is gathered, estimated."""
        return sum(load.size_bytes for load in self.loads.values())

    def add(self, pending: Pending) -> None:
        """Gather one more."""
        self.members[pending.member] = pending
        self.loads.setdefault(pending.resolved.provider, Load()).count(pending, 1)
        if self.opened_ms is None or pending.arrived_ms < self.opened_ms:
            self.opened_ms, self.tick_ms = pending.arrived_ms, None

    def remove(self, member: Member) -> None:
        """Let one go."""
        pending = self.members.pop(member, None)
        if pending is not None:
            self.loads[pending.resolved.provider].count(pending, -1)


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
        provider = next(iter(window.members.values())).resolved.provider
        window.tick_ms = schedules[provider].next_tick_ms(window.opened_ms or 0)
    return window.tick_ms


def _full(window: Window, limits: Mapping[str, JobLimits]) -> bool:
    return any(load.reaches(limits[provider]) for provider, load in window.loads.items())
