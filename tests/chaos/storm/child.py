"""What a worker or a gateway of a run does first: its wall clock is given over to the run, and its log to a pipe."""

import mmap
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from tests.harness import forked

_OFFSET = struct.Struct("d")


def new_clock(path: Path) -> None:
    """A clock that is right."""
    path.write_bytes(_OFFSET.pack(0.0))


def jump(path: Path, offset_s: float) -> None:
    """Set how far a worker's wall clock is ahead, negative: behind."""
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), _OFFSET.size) as shared:
        _OFFSET.pack_into(shared, 0, offset_s)


def become(command: str, env: Mapping[str, str], log: str, clock: str, plant: str) -> None:
    """`roundbatch COMMAND` in a forked child; `log` is a named pipe: a process whose disk is full can still say so.

    Its `time.time` and `time.time_ns`, all that it asks for the wall clock, are ahead by what stands in the file `clock`.
    `plant` names a fault of `tests/model/test_plants.py` that is put into it, "" for none.
    """
    with open(clock, "r+b") as file:
        shared = mmap.mmap(file.fileno(), _OFFSET.size, access=mmap.ACCESS_READ)
    true_ns = time.time_ns

    def now_ns() -> int:
        return true_ns() + int(_OFFSET.unpack_from(shared, 0)[0] * 1e9)

    def now_s() -> float:
        return now_ns() / 1e9

    time.time_ns, time.time = now_ns, now_s
    if plant:
        import pytest

        from tests.model import test_plants

        getattr(test_plants, plant)(pytest.MonkeyPatch())
    forked._become(command, env, log)
