"""Judges: a slow look at what audits show of each model. A bent one is logged, and its bundles are limited if settings say so.

Whatever changes something is a record in every partition of the work topic (BundlesLimited), and evidence counts from the day
after it. So a worker that was killed anywhere, and those that look at the same moment, come to the same: as long as nobody has
read such a record, all of them send the same one again.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import structlog

from agents.planning.rules import audited_size, judgement_rules
from domain.audited import MEASURES
from domain.auditing import DAY_MS, Cell, Complete
from domain.evidence import MONTH, STARTS
from domain.judgement import Alarm, Group, Row, alarms, by_model, count_days, group, step_down, threshold_log10, wealth
from domain.partition.corrections import Correction, Corrections
from settings.settings import Settings
from streams.clock import Clock
from streams.kafka.outbox import Outbox
from streams.wire import work
from tables.view import PartitionView

log = structlog.get_logger("judges")
LOOK_EVERY_S = 60.0
_FIRST_AUDIT_S = 5.0  # as long as there is no audit, a look costs nothing
_TELL_AGAIN_MS = 24 * 3600 * 1000  # tables forget what is older than the dedup retention, which is a week at least
_JUST_SAID_MS = 3600 * 1000  # its sender may have been killed before every partition had it
_UNDER_WAY_MS = 600 * 1000


@dataclass(frozen=True, slots=True)
class Judge:
    """One model, as its replies name it, by the audits of the partitions held here. most: the limit on its bundles.

    shown: by all audits that are kept, or those of the days after a limit. wealth: by measure and bet (domain.evidence).
    """

    provider: str
    model: str
    shown: Group
    alarms: dict[str, Alarm]
    most: int | None
    wealth: dict[str, dict[str, float]] = field(default_factory=dict)


class Judges:
    """Called by the timers. `seen` is what the last look has shown."""

    def __init__(self, settings: Settings, outbox: Outbox, clock: Clock) -> None:
        self._settings, self._outbox, self._clock = settings, outbox, clock
        self._rules = judgement_rules(settings)
        self.seen: tuple[Judge, ...] = ()
        self.threshold_log10 = threshold_log10(self._rules, models=1)
        self.month_usd = 0.0  # what audits have cost in 30 days
        self._next_s = 0.0
        self._said: set[tuple[str, str, str]] = set()
        self._told: dict[tuple[str, str, bool], int] = {}

    async def look(self, views: Collection[PartitionView]) -> None:
        """Look at all models if it is time to; not before all partitions held here have caught up."""
        now_s = self._clock.running_s()
        if now_s < self._next_s or not views or not all(view.caught_up for view in views):
            return
        self._next_s = now_s + LOOK_EVERY_S
        now_ms = self._clock.now_ms()
        self._rules = self._rules._replace(weighed=len(views) / self._settings.partitions)
        corrections = Corrections(one for view in views for one in view.state.corrections.kept(now_ms))
        self._tell_again(views, corrections, now_ms)
        models = by_model(await _added_up(views))
        if not models:
            self._next_s = now_s + _FIRST_AUDIT_S
        seen = []
        for (provider, model), rows in models.items():
            after_day = corrections.counts_from_ms(provider, model) // DAY_MS
            late = [row for row in rows if row.day > now_ms // DAY_MS - STARTS]
            found = alarms(count_days(late), self._rules, models=len(models), after_day=after_day, today=now_ms // DAY_MS)
            await asyncio.sleep(0)  # each half of the work takes some milliseconds
            most = corrections.most(provider, model)
            limit = corrections.limit(provider, model)
            counted = rows if limit is None else [row for row in rows if row.day > limit.since_ms // DAY_MS]
            judge = Judge(
                provider, model, group(model, counted, self._rules), found, most, wealth(rows, self._rules, after_day=after_day)
            )
            self._say(judge)
            self._act(judge, rows)
            seen.append(judge)
            await asyncio.sleep(0)
        self.seen, self.threshold_log10 = tuple(seen), threshold_log10(self._rules, models=len(models))
        since_ms = (now_ms // DAY_MS - MONTH) * DAY_MS
        self.month_usd = sum((view.state.audits.usd_since(since_ms) for view in views), 0.0)

    def _say(self, judge: Judge) -> None:
        for measure in MEASURES:
            key, alarm = (judge.provider, judge.model, measure.name), judge.alarms.get(measure.name)
            if alarm is None or not alarm.sounds:
                self._said.discard(key)
            elif key not in self._said:
                self._said.add(key)
                log.warning("judgement_bent", provider=judge.provider, model=judge.model, **_figures(alarm))

    def _act(self, judge: Judge, rows: Iterable[Row]) -> None:
        """Take a step down where an alarm is worth it."""
        size = audited_size(self._settings, judge.provider, {row.cell.mode for row in rows}, judge.most)
        step = step_down(judge.alarms.values(), size, self._settings.quality.on_alarm)
        if step is None:
            return
        log.warning("bundles_limited_by_alarm", provider=judge.provider, model=judge.model, most=step.most, reason=step.reason)
        self._send(work.BundlesLimited(provider=judge.provider, model=judge.model, most=step.most, reason=step.reason))

    def _tell_again(self, views: Iterable[PartitionView], corrections: Corrections, now_ms: int) -> None:
        """Send facts once more that a partition may lack, or may come to lack as its tables forget."""
        for one in corrections.kept(now_ms):
            key = (*one.key, one.most is None)
            told_ms = self._told.get(key)
            if told_ms is not None and now_ms - told_ms < _UNDER_WAY_MS:
                continue
            just_said = told_ms is None and now_ms - one.since_ms < _JUST_SAID_MS
            lacking = any(view.state.corrections.lacks(one) for view in views)
            if just_said or lacking or now_ms - one.put_ms >= _TELL_AGAIN_MS:
                self._told[key] = now_ms
                self._send(_record(one))

    def _send(self, record: work.WorkRecord) -> None:
        raw = work.encode(record)
        for partition in range(self._settings.partitions):
            self._outbox.send(self._settings.work_topic, raw, partition=partition)


async def _added_up(views: Iterable[PartitionView]) -> list[Row]:
    """The audits of all partitions by cell and day: many partitions are no more work for what follows than one."""
    sums: dict[tuple[Cell, int], Counter[Complete]] = {}
    for view in views:
        for cell, day, audits in list(view.state.audits.by_cell_and_day()):
            of = sums.setdefault((cell, day), Counter())
            for complete, number in audits.items():
                of[complete] += number
        await asyncio.sleep(0)
    return [Row(cell, day, audits) for (cell, day), audits in sums.items()]


def _record(one: Correction) -> work.WorkRecord:
    """The record that says this fact again."""
    if one.most is None:
        return work.JudgementAcknowledged(provider=one.provider, model=one.model, reason=one.reason, since_ms=one.since_ms)
    return work.BundlesLimited(provider=one.provider, model=one.model, most=one.most, reason=one.reason, since_ms=one.since_ms)


def _figures(alarm: Alarm) -> dict[str, object]:
    return {
        "test": alarm.measure,
        "points": alarm.points(),
        "audits": alarm.audits,
        "evidence_log10": round(alarm.log10, 2),
        "alarm_log10": round(alarm.threshold_log10, 2),
    }
