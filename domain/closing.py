"""When a window closes: at once, or when its round is complete, or it is full, quiet, too old, or at a scheduled tick."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

from domain.comparison import Member
from domain.cutting import JobLimits, Pending, encoded_bytes, estimated_tokens
from domain.job import ClosedBy
from domain.nightly import Schedule
from domain.rounds import Brought
from domain.strategies import STRATEGIES, Closes


@dataclass(slots=True)
class Progress:
    """How much of a round has come: its distinct ids, bad ones included, and the parts of its round record."""

    ids: int = 0
    announced: int | None = None
    parts: int | None = None
    parts_seen: set[int] = field(default_factory=set)
    late: bool = False  # something has come after the round was complete
    begun: bool = False  # a record has brought something, if only a duplicate

    @classmethod
    def of(cls, brought: Iterable[Brought]) -> "Progress":
        """The progress of a round after these, which are in the order of the log."""
        made = cls()
        for _, of_record in groupby(brought, lambda one: one.offset):
            made.learn(of_record)
        return made

    def learn(self, of_record: Iterable[Brought]) -> None:
        """Count what one record has brought, in one entry or several."""
        was_complete, self.begun = self.complete, True
        for one in of_record:
            if one.announced:
                self.announced = max(self.announced or 0, one.announced)
            if one.parts:
                self.parts = one.parts
                self.parts_seen.add(one.part)
            self.ids += one.ids
            self.late = self.late or (was_complete and one.ids > 0)

    @property
    def complete(self) -> bool:
        """Whether exactly as many distinct ids as announced have come, or every part of the round record.

        Ids beyond the announced number, and what comes after the last part, are latecomers: their window closes when it is
        quiet. If the round still counted as complete, each late single request would become a batch job of its own.
        """
        if self.parts is not None:
            return not self.late and len(self.parts_seen) >= self.parts
        return self.announced is not None and self.ids == self.announced


@dataclass(slots=True)
class Load:
    """How much of a window goes to one provider, by the same estimates as jobs are cut by."""

    items: int = 0
    size_bytes: int = 0
    tokens: int = 0

    def count(self, pending: Pending, sign: int) -> None:
        """Add a comparison (sign 1) or take it out (sign -1)."""
        self.items += sign
        self.size_bytes += sign * encoded_bytes(pending)
        self.tokens += sign * estimated_tokens(pending)

    def reaches(self, limits: JobLimits) -> bool:
        """Whether it is enough to fill a job."""
        return self.items >= limits.max_items or self.size_bytes >= limits.max_bytes or self.tokens >= limits.max_tokens


@dataclass(slots=True)
class Window:
    """The open gathering of a round under one strategy. first_ms and last_ms are by the reader's clock, ms since the epoch."""

    round_key: str
    strategy: str
    first_ms: int
    last_ms: int
    members: dict[Member, Pending] = field(default_factory=dict)
    loads: dict[str, Load] = field(default_factory=dict)  # by provider. Timers ask many times a second, so sums are kept
    opened_ms: int | None = None  # append time of its earliest request; a schedule counts from there, so restarts do not matter

    @property
    def size_bytes(self) -> int:
        """The estimated encoded size of everything gathered."""
        return sum(load.size_bytes for load in self.loads.values())

    def add(self, pending: Pending) -> None:
        """Gather a comparison."""
        self.members[pending.member] = pending
        self.loads.setdefault(pending.resolved.provider, Load()).count(pending, 1)
        if self.opened_ms is None or pending.arrived_ms < self.opened_ms:
            self.opened_ms = pending.arrived_ms

    def remove(self, member: Member) -> None:
        """Take a comparison out, if it is here."""
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


def next_due_ms(window: Window, *, quiet_s: float, age_s: float, schedules: Mapping[str, Schedule]) -> int:
    """When a window that is not due now will be, if nothing else comes: by its schedule, or by quiet time or age."""
    if STRATEGIES[window.strategy].closes is Closes.SCHEDULE:
        return _tick_ms(window, schedules)
    return min(window.last_ms + int(quiet_s * 1000), window.first_ms + int(age_s * 1000))


def _tick_ms(window: Window, schedules: Mapping[str, Schedule]) -> int:
    """The first tick after the window's opening. One that was missed during downtime is due immediately, and only once."""
    provider = next(iter(window.members.values())).resolved.provider
    return _tick_after(schedules[provider], window.opened_ms or 0)


@lru_cache(maxsize=1_024)  # timers ask twenty times a second for each open window
def _tick_after(schedule: Schedule, opened_ms: int) -> int:
    return schedule.next_tick_ms(opened_ms)


def _full(window: Window, limits: Mapping[str, JobLimits]) -> bool:
    return any(load.reaches(limits[provider]) for provider, load in window.loads.items())
