"""Ticks of a cron expression in a time zone, as instants, right over both daylight-saving changes.

croniter is asked in plain local time only: with aware times its steps over a change are off by an hour, or repeat (5.0.1).
Why not another library: docs/decisions/dependencies.md#tried-and-not-taken.
"""

import datetime as dt
from copy import copy
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo

from croniter import croniter

# Clocks are changed by less than this. For so long after a change, ticks are looked for from so far back in local time too: one
# whose local time did not exist or comes twice may still be ahead although the clocks show a later time.
_AHEAD = dt.timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression in a time zone; settings have checked both.

    cron: five fields (minute, hour, day of month, month, day of week), or six with the second in front of them.
    """

    cron: str
    zone: str

    def next_tick_ms(self, after_ms: int) -> int:
        """The earliest tick after an instant, in ms since the epoch.

        A local time that does not exist (clocks go forward) ticks as much later as they went; one that comes twice ticks
        the first time only. Errors: croniter.CroniterBadDateError for an expression that never ticks (30 February).
        """
        where = ZoneInfo(self.zone)
        ticks = self._from(_local(after_ms, where) - self._behind(after_ms, where))
        while True:
            tick_ms = _instant_ms(ticks.get_next(dt.datetime), where)
            if tick_ms > after_ms:
                return tick_ms

    def longest_gap_s(self, from_ms: int, *, least_s: float = 21_600.0, days: int = 400) -> float:
        """The longest time between two ticks in the days that follow, in seconds; `least_s` where none is longer.

        Shorter gaps are skipped: an expression that ticks each second has 35 million of them.
        """
        longest, last = max(1000, int(least_s * 1000)), self.next_tick_ms(from_ms)
        while last < from_ms + days * 86_400_000:
            within = self._last_tick_ms(last + longest)
            if within <= last:
                within = self.next_tick_ms(last)
                longest = max(longest, within - last)
            last = within
        return longest / 1000

    def _last_tick_ms(self, until_ms: int) -> int:
        """The latest tick up to an instant."""
        where = ZoneInfo(self.zone)
        ticks = self._from(_local(until_ms, where) + dt.timedelta(seconds=1))
        while True:
            tick_ms = _instant_ms(ticks.get_prev(dt.datetime), where)
            if tick_ms <= until_ms:
                return tick_ms

    def _from(self, local: dt.datetime) -> croniter:
        ticks = copy(_parsed(self.cron))
        ticks.set_current(local, force=True)
        return ticks

    @staticmethod
    def _behind(at_ms: int, where: ZoneInfo) -> dt.timedelta:
        """How far back in local time a tick to come may lie: zero, but for a while after a change of the clocks."""
        at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
        changed = at.astimezone(where).utcoffset() != (at - _AHEAD).astimezone(where).utcoffset()
        return _AHEAD if changed else dt.timedelta(0)


@cache
def _parsed(cron: str) -> croniter:
    return croniter(cron, second_at_beginning=True)  # half a millisecond: most of the time that a look for a tick takes


def _local(at_ms: int, where: ZoneInfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, where).replace(tzinfo=None, fold=0)


def _instant_ms(local: dt.datetime, where: ZoneInfo) -> int:
    # fold 0: the first of two; of a time that does not exist, what the clocks showed before reads on past the gap.
    return round(local.replace(tzinfo=where, fold=0).timestamp() * 1000)
