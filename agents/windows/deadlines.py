"""Sends a DeadlinePassed record for members whose deadline has passed; it ends each of them with an error event."""

from collections.abc import Callable

import structlog

from domain.comparison import Member
from domain.cutting import Pending
from domain.reconciling import Overdue
from domain.reply import ErrorCode
from domain.strategies import STRATEGIES
from settings.settings import Settings
from streams.clock import Clock
from streams.kafka.outbox import Outbox
from streams.wire import work
from tables.view import PartitionView

log = structlog.get_logger("deadlines")
_MEMBERS_A_RECORD = 500  # members in one record: about 60 KB

WhyWaiting = Callable[[PartitionView, Member], tuple[ErrorCode, str] | None]


class Deadlines:
    """Reports passed deadlines. `why_waiting` says whether a member waited for an account or money: its event tells that."""

    def __init__(self, settings: Settings, outbox: Outbox, clock: Clock, why_waiting: WhyWaiting) -> None:
        self._topic, self._outbox, self._clock, self._why_waiting = settings.work_topic, outbox, clock, why_waiting

    def report(self, view: PartitionView) -> None:
        """Send one record for all whose deadline has passed since the last look; nothing before the partition has caught up."""
        if not view.caught_up:
            return
        passed = view.state.passed_deadlines(self._clock.now_ms(), _MEMBERS_A_RECORD)
        late = [pending for pending in passed if not view.sent_ahead.is_told_overdue(pending.member)]
        if not late:
            return
        view.sent_ahead.tell_overdue(pending.member for pending in late)
        record = work.DeadlinePassed(overdue=tuple(self._overdue(view, pending) for pending in late))
        self._outbox.send(self._topic, work.encode(record), partition=view.partition)
        rounds = list(dict.fromkeys(pending.round_key for pending in late))
        log.warning("deadlines_passed", partition=view.partition, comparisons=len(late), rounds=rounds)

    def _overdue(self, view: PartitionView, pending: Pending) -> Overdue:
        job = view.state.jobs.get(view.state.owner.get(pending.member, ""))
        mode = job.plan.mode if job is not None else STRATEGIES[pending.resolved.strategy].mode
        code, message = self._why_waiting(view, pending.member) or (ErrorCode.TIMEOUT, "")
        of = pending.resolved
        return Overdue(pending.member, of.provider, of.model, mode, of.deadline_ms, code, message)
