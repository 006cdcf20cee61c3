"""What can be wrong with a store. None of it is the fault of the record that is being handled: it stops the worker.

A record that were blamed for it would become a dead letter, acknowledged, and its answers would be lost.
"""

import datetime as dt
from pathlib import Path

from streams.failstop import Refusal


class StoreFault(Exception):
    """A table cannot be read or written, or holds what this worker cannot read."""


class StoreFailed(StoreFault):
    """RocksDB refused to read or write."""


class UnknownVersion(StoreFault):
    """An entry was written by a newer worker than this one."""


class UnreadableEntry(StoreFault):
    """An entry has our version, and is none of ours."""


class OtherLog(StoreFault, Refusal):
    """The request or the work topic, which the tables know by its offsets."""

    def __init__(self, topic: str, partition: int, said: str) -> None:
        super().__init__(
            f"topic {topic} is not the one that this worker's tables tell of: partition {partition}: {said}. It was deleted "
            "and made again, or has lost its end; comparisons that are read from it now would be taken for older ones and get "
            "no answer. Give the worker a new ROUNDBATCH_APP_ID and ROUNDBATCH_WORK_TOPIC, or clear its tables: "
            'docs/operations.md, "A topic was made again"'
        )


class OtherChangelog(StoreFault, Refusal):
    """The changelog of a table, of which a state directory holds more than is in it."""

    def __init__(self, topic: str, partition: int, said: str, state_dir: Path) -> None:
        super().__init__(
            f"topic {topic} is not the one that the state directory {state_dir} was restored from: partition {partition}: "
            f"{said}. It was deleted and made again, or has lost its end; what this directory alone knows of open comparisons, "
            "jobs under way and answered ids would be lost when the partition moves. Put the old topic back, or give the "
            'worker a new ROUNDBATCH_APP_ID and ROUNDBATCH_WORK_TOPIC: docs/operations.md, "A topic was made again"'
        )


def ends_early(after: int, known: int) -> str:
    """A topic does not reach as far as what is known of it."""
    return f"it ends before offset {after}, and records before offset {known} are known"


def other_time(offset: int, found_ms: int, known_ms: int) -> str:
    """At an offset stands a record of another time."""
    found, known = (
        dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).isoformat(timespec="milliseconds") for at_ms in (found_ms, known_ms)
    )
    return f"at offset {offset} it has a record of {found}, known is one of {known}"


# What RocksDB says where the store is whole and something else is in the way. Looked for first: "the MANIFEST may be corrupted"
# is added to any of them. The words are those of strerror(3), which RocksDB takes over.
_NO_DAMAGE = (
    "lock hold by current process",
    "While lock file",
    "No locks available",
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "Too many open files",
    "Cannot allocate memory",
)
_DAMAGE = ("Corruption", "No such file or directory", "Input/output error", "checksum mismatch")
_LOCKED = _NO_DAMAGE[:3]


def is_locked(said: str) -> bool:
    """Whether another handle or process has the store open."""
    return any(words in said for words in _LOCKED)


def is_damage(said: str) -> bool:
    """Whether an error of reading or writing means that files of the store are damaged or gone."""
    return not any(words in said for words in _NO_DAMAGE) and any(words in said for words in _DAMAGE)


def is_unopenable(said: str) -> bool:
    """Whether a store that does not open should be made anew.

    Wider than damage: a file that RocksDB does not know (of a newer version, or cut short) costs no more than the restoring.
    """
    return not any(words in said for words in _NO_DAMAGE)
