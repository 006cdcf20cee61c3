"""Sends RequestsDone for requests of which every member has an acknowledged event: read back, it deletes their prompts."""

from settings.settings import Settings
from streams.clock import Clock
from streams.kafka.outbox import Outbox
from streams.wire import work
from tables.view import PartitionView

_OFFSETS_A_RECORD = 2_000  # offsets in one record


class FinishedRequests:
    """Looks every `done_flush_s` seconds, so that one record tells of many."""

    def __init__(self, settings: Settings, outbox: Outbox, clock: Clock) -> None:
        self._topic, self._every_s = settings.work_topic, settings.testing.done_flush_s
        self._outbox, self._clock = outbox, clock
        self._next_s = 0.0

    def due(self) -> bool:
        """Whether it is time for the next look; True begins the next wait."""
        now_s = self._clock.running_s()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._every_s
        return True

    def announce(self, view: PartitionView) -> None:
        """Announce the requests that have been finished since the last look."""
        done = view.announceable()
        for start in range(0, len(done), _OFFSETS_A_RECORD):
            record = work.RequestsDone(offsets=done[start : start + _OFFSETS_A_RECORD])
            self._outbox.send(self._topic, work.encode(record), partition=view.partition)
