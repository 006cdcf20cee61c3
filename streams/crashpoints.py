"""Named points at which a test may kill the process. Without ROUNDBATCH_CRASH_AT in the environment they do nothing.

`ROUNDBATCH_CRASH_AT=after_create` kills (SIGKILL) at the first passage, `after_create:3` at the third.
`ROUNDBATCH_STOP_AT` is the same with SIGSTOP: the process sleeps until it is woken.
"""

import os
import signal

_passages: dict[str, int] = {}


def _wanted(variable: str, name: str) -> bool:
    point, _, nth = os.environ.get(variable, "").partition(":")
    return point == name and _passages[name] == int(nth or 1)


def point(name: str) -> None:
    """Pass a named point."""
    _passages[name] = _passages.get(name, 0) + 1
    if _wanted("ROUNDBATCH_CRASH_AT", name):
        os.kill(os.getpid(), signal.SIGKILL)
    if _wanted("ROUNDBATCH_STOP_AT", name):
        os.kill(os.getpid(), signal.SIGSTOP)
