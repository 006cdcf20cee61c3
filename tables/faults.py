"""What can be wrong with a store. It is never the fault of the record that is being handled, so it stops the worker.

Were it taken for the record's fault, the record would become a dead letter and be acknowledged, and its answers would be lost.
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
    """The request or work topic is not the one whose offsets the tables know."""

    def __init__(self, topic: str, partition: int, said: str) -> None:
        super().__init__(
            f"topic {topic} is not the one that this worker's tables tell of: partition {partition}: {said}. It was deleted "
            "and made again, or has lost its end; comparisons that are read from it now would be taken for older ones and get "
            "no answer. Give the worker a new ROUNDBATCH_APP_ID and ROUNDBATCH_WORK_TOPIC, or clear its tables: "
            'docs/operations.md, "A topic was made again"'
        )


class OtherChangelog(StoreFault, Refusal):
    """The changelog of a table is not the one that the state directory was restored from."""

    def __init__(self, topic: str, partition: int, said: str, state_dir: Path) -> None:
        super().__init__(
            f"topic {topic} is not the one that the state directory {state_dir} was restored from: partition {partition}: "
            f"{said}. It was deleted and made again, or has lost its end; what this directory alone knows of open comparisons, "
            "jobs under way and answered ids would be lost when the partition moves. Put the old topic back, or give the "
            'worker a new ROUNDBATCH_APP_ID and ROUNDBATCH_WORK_TOPIC: docs/operations.md, "A topic was made again"'
        )


def ends_early(after: int, known: int) -> str:
    """Says that a topic ends before records that are known of it."""
    return f"it ends before offset {after}, and records before offset {known} are known"


def other_time(offset: int, found_ms: int, known_ms: int) -> str:
    """Says that the record at an offset has another append time than the one that is known."""
    found, known = (
        dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).isoformat(timespec="milliseconds") for at_ms in (found_ms, known_ms)
    )
    return f"at offset {offset} it has a record of {found}, known is one of {known}"


# What RocksDB says when the store is whole and something else is in the way, in the words of strerror(3). These are looked for
# first, for RocksDB may add "the MANIFEST may be corrupted" to any of them.
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
