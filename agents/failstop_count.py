"""How often this worker stopped itself at once (exit 70), kept in a small file beside the tables."""

import datetime as dt
import json
import os
from pathlib import Path

import structlog

log = structlog.get_logger()

FILE = "failstop.json"


class FailStopCount:
    """The count that survives the restart which each fail-stop leads to; it begins at 0 again when the state directory goes."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE

    def read(self) -> int:
        """The number of fail-stops so far; 0 where there is no file or none that can be read."""
        try:
            count = json.loads(self.path.read_bytes())["count"]
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("failstop_count_unreadable", path=str(self.path), error=repr(error))
            return 0
        return count if isinstance(count, int) and count >= 0 else 0

    def add(self, reason: str, now: dt.datetime) -> None:
        """Count one more; to be called directly before `os._exit(70)`. `reason` is a class name or an event name, no message.

        Never raises: a full disk may be the very reason, and the exit must follow.
        """
        beside = self.path.with_suffix(".tmp")
        try:
            record = {"count": self.read() + 1, "last_reason": reason, "last_at": now.astimezone(dt.UTC).isoformat()}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(record) + "\n")
            # In one step: a kill between two writes must not leave half a file.
            os.replace(beside, self.path)
        except OSError as error:
            log.error("failstop_not_counted", path=str(self.path), error=repr(error))
