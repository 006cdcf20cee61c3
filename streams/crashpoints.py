"""Named points at which a test may kill the process or put it to sleep. Without the variables below they do nothing.

`ROUNDBATCH_CRASH_AT=after_create` kills (SIGKILL) at the first passage, `after_create:3` at the third;
`after_create@1` counts the passages of partition 1 alone. `ROUNDBATCH_STOP_AT` is the same with SIGSTOP: the process sleeps
until it is woken. Both are read once, at the first passage.

A point directly after a send is passed before the record leaves the process: sends are queued, and the queue is worked off when
the code that passed the point awaits. To kill between the sending of a record and its handling, use the point before its facts
are put, `before_<kind>_put`.
"""

import os
import signal
from dataclasses import dataclass
from functools import cache

_SIGNALS = {"ROUNDBATCH_CRASH_AT": signal.SIGKILL, "ROUNDBATCH_STOP_AT": signal.SIGSTOP}


@dataclass(slots=True)
class _Armed:
    """One point that is to kill or stop, at the passage that brings `left` to zero."""

    name: str
    partition: int | None
    left: int
    signal: signal.Signals

    def pass_by(self, name: str, partition: int) -> None:
        if name != self.name or self.partition not in (None, partition):
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.signal)


def point(name: str, partition: int) -> None:
    """Pass a named point in the work on a partition."""
    for armed in _armed():
        armed.pass_by(name, partition)


@cache
def _armed() -> tuple[_Armed, ...]:
    return tuple(_read(os.environ[variable], which) for variable, which in _SIGNALS.items() if variable in os.environ)


def _read(text: str, which: signal.Signals) -> _Armed:
    rest, _, partition = text.partition("@")
    name, _, nth = rest.partition(":")
    return _Armed(name, int(partition) if partition else None, int(nth or 1), which)
