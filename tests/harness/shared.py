"""One of something for all processes of a test run: the first that needs it starts it, and ends it when no other uses it."""

import fcntl
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def shared(folder: Path, name: str, start: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    """What `start()` gives, started once for every process that names this folder; it must be picklable.

    Each process holds a shared lock while it uses the thing. The one that has started it, and so is its parent, waits at its
    end until it alone holds the lock. The kernel lets go of the locks of a process that is killed.
    """
    told = folder / f"{name}.pickle"
    with open(folder / f"{name}.used", "w") as used, open(folder / f"{name}.starting", "w") as starting:
        fcntl.flock(used, fcntl.LOCK_SH)
        fcntl.flock(starting, fcntl.LOCK_EX)
        if told.exists():
            fcntl.flock(starting, fcntl.LOCK_UN)
            yield pickle.loads(told.read_bytes())
            return
        with start() as started:
            told.write_bytes(pickle.dumps(started))
            fcntl.flock(starting, fcntl.LOCK_UN)
            try:
                yield started
            finally:
                fcntl.flock(used, fcntl.LOCK_EX)
                told.unlink()  # a process that comes now waits for the lock, and then starts its own
