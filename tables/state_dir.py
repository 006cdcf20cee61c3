"""The state directory: used by one worker alone, and wiped when it is so old that it could bring deleted entries back.

Tombstones leave a changelog after delete.retention.ms (7 d). A local store that is older than that would still hold entries
whose tombstones it can no longer read. It is wiped after 24 h without use, well before.
"""

import errno
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


class StateDirUnusable(Exception):
    """This worker cannot use the state directory; the message is one line with the remedy."""


class StateDir:
    """Locked for the life of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def open(self) -> None:
        """Create the directory, lock it, and wipe its store when it was not used for 24 h. Raises StateDirUnusable."""
        try:
            self._make()
            self._wipe_when_old()
            self.touch()
            self._look_for_what_is_not_ours()
        except OSError as error:
            raise self._unusable(Path(error.filename or self.path), error.strerror or repr(error)) from error

    def touch(self) -> None:
        """Note on disk that the directory is in use at this moment."""
        (self.path / _USED).touch()

    def _make(self) -> None:
        (self.path / _STORE).mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateDirUnusable(
                f"the state directory {self.path} is in use by another worker: give each its own ROUNDBATCH_STATE_DIR"
            ) from error

    def _wipe_when_old(self) -> None:
        used = self.path / _USED
        if used.exists() and time.time() - used.stat().st_mtime > UNUSED_S:
            log.warning("state_wiped", path=str(self.path), unused_s=round(time.time() - used.stat().st_mtime))
            shutil.rmtree(self.path / _STORE)
            (self.path / _STORE).mkdir()

    def _look_for_what_is_not_ours(self) -> None:
        """Raise for files that we may not read or write: RocksDB would meet them at some later time. A few hundred files."""
        for folder, _, names in os.walk(self.path / _STORE, onerror=_raise):
            for path in (Path(folder), *(Path(folder, name) for name in names)):
                if not os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)):
                    raise self._unusable(path, os.strerror(errno.EACCES))

    def _unusable(self, path: Path, said: str) -> StateDirUnusable:
        return StateDirUnusable(
            f"the state directory {self.path} cannot be used by user {os.geteuid()}: {path}: {said}; make it a folder that "
            "this user may write to, with room on its disk, or set ROUNDBATCH_STATE_DIR to another (its content is restored)"
        )


def _raise(error: OSError) -> None:
    raise error
