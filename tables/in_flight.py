"""What a worker remembers of records of a partition that are under way: sent and not read back, read and not acked."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from domain.comparison import Member

WindowKey = tuple[str, str]  # round, strategy


@dataclass(slots=True)
class SentAhead:
    """Members of records that this worker has sent to the work topic and not read back yet: nothing is sent of them twice."""

    _planned: set[Member] = field(default_factory=set)  # in a JobPlanned
    _overdue: set[Member] = field(default_factory=set)  # in a DeadlinePassed

    def plan(self, members: Iterable[Member]) -> None:
        """A JobPlanned of these is sent."""
        self._planned.update(members)

    def plans_any(self, members: Collection[Member]) -> bool:
        """Whether a JobPlanned with one of these is on its way."""
        return bool(self._planned) and not self._planned.isdisjoint(members)  # which goes through all of these members

    def plan_read(self, members: Iterable[Member]) -> None:
        """A JobPlanned of these has been read, this worker's or another's."""
        self._planned.difference_update(members)

    def tell_overdue(self, members: Iterable[Member]) -> None:
        """A DeadlinePassed of these is sent."""
        self._overdue.update(members)

    def is_told_overdue(self, member: Member) -> bool:
        """Whether a DeadlinePassed with this one is on its way."""
        return member in self._overdue

    def overdue_read(self, members: Iterable[Member]) -> None:
        """A DeadlinePassed of these has been read."""
        self._overdue.difference_update(members)


@dataclass(slots=True)
class OnceAcked:
    """What is to be looked at when a record is acked, and may not be before: it might be lost with this process."""

    _windows: dict[int, tuple[WindowKey, ...]] = field(default_factory=dict)  # by inbound offset
    _jobs: dict[int, tuple[str, ...]] = field(default_factory=dict)  # by work offset
    _finished: list[tuple[int, int]] = field(
        default_factory=list
    )  # (work offset whose record ended its last member, inbound offset)

    def close(self, inbound_offset: int, windows: Iterable[WindowKey]) -> None:
        """The comparisons of an inbound record have gone into these windows."""
        self._windows[inbound_offset] = tuple(windows)

    def windows_of(self, inbound_offset: int) -> tuple[WindowKey, ...]:
        """An inbound record is acked: the windows that its comparisons went into. Each is given out once."""
        return self._windows.pop(inbound_offset, ())

    def look_at(self, work_offset: int, jobs: Iterable[str]) -> None:
        """A work record is a fact of these jobs."""
        self._jobs[work_offset] = tuple(jobs)

    def jobs_of(self, work_offset: int) -> tuple[str, ...]:
        """A work record is acked: the jobs of which it is a fact. Each is given out once."""
        return self._jobs.pop(work_offset, ())

    def finish(self, work_offset: int, inbound_offset: int) -> None:
        """A work record has ended the last open member of an inbound record."""
        self._finished.append((work_offset, inbound_offset))

    def finished(self, acked: int) -> tuple[int, ...]:
        """Inbound records that work records before `acked` have finished. Each is given out once."""
        ready = tuple(offset for work_offset, offset in self._finished if work_offset < acked)
        if ready:
            self._finished = [item for item in self._finished if item[0] >= acked]
        return ready
