"""How a job is told that it may go, by whatever it waited for: a place, an account, money, room in a batch queue."""

from collections.abc import Callable

# Called with the job's partition and id. False: the job is gone or wants nothing more, and the next one gets its turn.
Wake = Callable[[int, str], bool]
