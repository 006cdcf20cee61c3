"""Closes windows that are due: sends JobPlanned over members whose requests are acknowledged."""

from itertools import islice

import structlog

from agents.planning.planner import Planner
from agents.records.work_log import WorkLog
from domain.comparison import Member
from domain.cutting import ALL_ROUNDS, MAX_MEMBERS, Pending
from domain.job import ClosedBy, Plan
from settings.settings import Settings
from streams import crashpoints
from streams.clock import Clock
from streams.wire import work
from tables.view import PartitionView

log = structlog.get_logger("closer")

# Comparisons that are looked at and cut in one turn of the event loop, at 5 us each (bench.rebuild). Only after a backlog has a
# window more of them, for one with 10,000 is full: a million would be a turn of 5 s.
_AT_ONCE = 2 * MAX_MEMBERS


class Closer:
    """Called when a request record is acknowledged (complete, full, at once) and by timers (quiet, too old, scheduled)."""

    def __init__(self, settings: Settings, work_log: WorkLog, clock: Clock) -> None:
        self._work_log, self._clock = work_log, clock
        self._planner = Planner(settings)

    def close_due(self, view: PartitionView) -> None:
        """Close every window of a partition that is due; does nothing until the partition has caught up."""
        self.close(view, tuple(view.state.windows))

    def close(self, view: PartitionView, keys: tuple[tuple[str, str], ...]) -> None:
        """Close those of the windows with these keys, (round, strategy), that are due."""
        if not view.caught_up or view.dead:
            return
        now_ms = self._clock.now_ms()
        for key in keys:
            window = view.state.windows.get(key)
            if window is None:
                continue
            closed_by = self._planner.due(view.state, window, now_ms)
            if closed_by is not None:
                self._close(view, window.round_key, window.members, closed_by)

    def _close(self, view: PartitionView, window_key: str, members: dict[Member, Pending], closed_by: ClosedBy) -> None:
        if view.sent_ahead.plans_any(members):
            return  # a plan of this window is on its way; what it leaves is looked at when it has been read back
        acknowledged = (pending for pending in members.values() if self._acknowledged(view, pending))
        ready = list(islice(acknowledged, _AT_ONCE + 1))
        if not ready or (closed_by is ClosedBy.COMPLETE and len(ready) < min(len(members), _AT_ONCE + 1)):
            return
        crashpoints.point("before_job_planned_sent", view.partition)
        for plan in self._cut(view, ready, closed_by):
            view.sent_ahead.plan(plan.members)
            self._work_log.send(view.partition, work.JobPlanned(plan=plan))
            log.info(
                "window_closed",
                partition=view.partition,
                **_rounds(window_key, plan, ready),
                closed_by=plan.closed_by.value,
                provider=plan.provider,
                comparisons=plan.size,
            )

    def _cut(self, view: PartitionView, ready: list[Pending], closed_by: ClosedBy) -> tuple[Plan, ...]:
        """The plans of these; of very many only those of the first, as if it were full. The turn of the others comes later."""
        if len(ready) <= _AT_ONCE:
            return self._planner.cut(view.state, ready, closed_by)
        return self._planner.cut(view.state, ready[:_AT_ONCE], ClosedBy.FULL)

    @staticmethod
    def _acknowledged(view: PartitionView, pending: Pending) -> bool:
        # After a kill before the put is acknowledged, a member that is in a job already would have no prompt.
        return pending.member.offset < view.inbound.acked


def _rounds(window_key: str, plan: Plan, ready: list[Pending]) -> dict[str, object]:
    """The round fields of agents.partitions.log_fields.about, which needs a job: these members are in none yet."""
    if not window_key.startswith(ALL_ROUNDS):
        return {"round": window_key}
    members = set(plan.members)
    return {"round": window_key, "rounds": list(dict.fromkeys(one.round_key for one in ready if one.member in members))}
