"""How what jobs wait for (a place, an account, money, room in a batch queue) says that one of them may go."""

from collections.abc import Callable

# Called with the job's partition and id. False: the job wants nothing more, and its turn is the next one's.
Wake = Callable[[int, str], bool]
