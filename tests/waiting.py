"""How a test waits: for what it waits for, with a limit that a machine many times slower keeps."""

import time
from collections.abc import Callable

# What is waited for takes seconds at most. The limit is for what is broken; nothing is measured by it.
LIMIT_S = 240.0

# How long a client waits for an answer that never comes. Its request must arrive and be carried out before: in 20 ms on an idle
# machine; with 0.1 to 0.5 s, as it was, a client on one that is many times slower gave up too early.
NO_ANSWER_S = 2.0


def until(
    happened: Callable[[], object],
    what: str,
    told: Callable[[], str] = str,
    *,
    limit_s: float = LIMIT_S,
    every_s: float = 0.05,
) -> None:
    """Return once `happened()` is true. `what` says it in words, and `told()` what else the failure is to show."""
    end = time.monotonic() + limit_s
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"not in {limit_s:g} s: {what}\n{told()}")
        time.sleep(every_s)
