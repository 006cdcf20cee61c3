"""Transactions of producers that hold a partition back: nothing behind the first open one is read before it ends."""

from dataclasses import dataclass

import structlog
from faust.types import TP

log = structlog.get_logger("open_transactions")
_TOLD_AFTER_S = 60.0  # the default time limit of a transaction in Kafka's own producer: it should have ended by now


@dataclass(slots=True)
class _Stopped:
    begins: int
    since_s: float
    told: bool = False


class OpenTransactions:
    """Since when each partition has been held back at the same offset, as far as this worker has seen."""

    def __init__(self) -> None:
        self._stopped: dict[TP, _Stopped] = {}

    def note(self, tp: TP, stable: int, end: int, now_s: float) -> None:
        """Take what the last fetch said: where the first open transaction begins (`stable`), and where the log ends."""
        if stable >= end:
            self._stopped.pop(tp, None)
            return
        stopped = self._stopped.get(tp)
        if stopped is None or stopped.begins != stable:
            stopped = self._stopped[tp] = _Stopped(stable, now_s)
        if not stopped.told and now_s - stopped.since_s > _TOLD_AFTER_S:
            stopped.told = True
            log.warning(
                "transaction_open",
                topic=tp.topic,
                partition=tp.partition,
                offset=stable,
                records_behind=end - stable,
                said="nothing behind it is read before it is committed or aborted",
            )

    def longest_s(self, topic: str, now_s: float) -> float:
        """The longest time for which a partition of the topic has been held back; 0 if none is."""
        return max((now_s - stopped.since_s for tp, stopped in self._stopped.items() if tp.topic == topic), default=0.0)

    def forget(self) -> None:
        """Forget all: the partitions are being revoked."""
        self._stopped.clear()
