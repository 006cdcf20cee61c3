"""Ticks of a cron expression in a time zone, as instants, right over both daylight-saving changes.

croniter is asked in plain local time only: with aware times its steps over a change are off by an hour, or repeat (5.0.1).
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from croniter import croniter

# Local time may run behind or ahead by the change at most; ticks from this far back are looked at too.
_AHEAD = dt.timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression in a time zone; settings have checked both."""

    cron: str
    zone: str

    def next_tick_ms(self, after_ms: int) -> int:
        """The earliest tick after an instant, in ms since the epoch.

        A local time that does not exist (clocks go forward) ticks as much later as they went; one that comes twice ticks
        the first time only.
        """
        where = ZoneInfo(self.zone)
        local = dt.datetime.fromtimestamp(after_ms / 1000, where).replace(tzinfo=None, fold=0)
        ticks = croniter(self.cron, local - _AHEAD)
        while True:
            tick_ms = _instant_ms(ticks.get_next(dt.datetime), where)
            if tick_ms > after_ms:
                return tick_ms

    def longest_gap_s(self, from_ms: int, days: int = 400) -> float:
        """The longest time between two ticks in the days that follow, in seconds."""
        longest, last = 0, self.next_tick_ms(from_ms)
        while last < from_ms + days * 86_400_000:
            following = self.next_tick_ms(last)
            longest, last = max(longest, following - last), following
        return longest / 1000


def _instant_ms(local: dt.datetime, where: ZoneInfo) -> int:
    # fold 0: the first of two; of a time that does not exist, what the clocks showed before reads on past the gap.
    return round(local.replace(tzinfo=where, fold=0).timestamp() * 1000)
