"""The state directory: one worker's alone, and wiped when it is so old that it could bring deleted entries back.

Tombstones leave a changelog after delete.retention.ms (7 d); a local store older than that would keep what was deleted.
"""

import fcntl
import os
import shutil
import time
from pathlib import Path

import structlog

log = structlog.get_logger("state_dir")

UNUSED_S = 24 * 3600
_STORE = "faust"
_USED = "last_used"


class StateDirInUse(Exception):
    """Another worker of this machine holds the state directory."""


class StateDir:
    """Locked for the life of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def open(self) -> None:
        """Make it, lock it, wipe its store when unused for 24 h. Raises StateDirInUse."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / _STORE).mkdir(exist_ok=True)
        self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateDirInUse(
                f"the state directory {self.path} is in use by another worker: give each its own ROUNDBATCH_STATE_DIR"
            ) from error
        used = self.path / _USED
        if used.exists() and time.time() - used.stat().st_mtime > UNUSED_S:
            log.warning("state_wiped", path=str(self.path), unused_s=round(time.time() - used.stat().st_mtime))
            shutil.rmtree(self.path / _STORE)
            (self.path / _STORE).mkdir()
        self.touch()

    def touch(self) -> None:
        """Note that it is in use."""
        (self.path / _USED).touch()
