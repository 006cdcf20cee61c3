"""How often this worker stopped itself at once (exit 70), and at which record, kept in a small file beside the tables."""

import datetime as dt
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from streams.failstop import RecordPlace

log = structlog.get_logger()

FILE = "failstop.json"
ROW_S = 600.0  # a worker that has lived for longer than this has got past what stopped it before


@dataclass(frozen=True, slots=True)
class FailStops:
    """count: all so far. in_a_row: the latest, each within ROW_S of a start. place: the record that led to the last one."""

    count: int = 0
    in_a_row: int = 0
    place: RecordPlace | None = None


class FailStopCount:
    """The count that survives the restart which each fail-stop leads to; it begins at 0 again when the state directory goes."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE

    def read(self) -> FailStops:
        """The fail-stops so far; none where there is no file or none that can be read."""
        try:
            return _fail_stops(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return FailStops()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("failstop_count_unreadable", path=str(self.path), error=repr(error))
            return FailStops()

    def now(self, lived_s: float) -> FailStops:
        """The fail-stops for a process that has lived for so long: beyond ROW_S, earlier ones no longer count as in a row."""
        found = self.read()
        return replace(found, in_a_row=0, place=None) if lived_s > ROW_S else found

    def add(self, where: str, place: RecordPlace | None, now: dt.datetime, lived_s: float) -> None:
        """Count one more; to be called directly before `os._exit(70)`. `where` is a short name, no message.

        Never raises: a full disk may be the very reason, and the exit must follow.
        """
        beside = self.path.with_suffix(".tmp")
        before = self.now(lived_s)
        record: dict[str, Any] = {
            "count": before.count + 1,
            "in_a_row": before.in_a_row + 1,
            "last_reason": where,
            "last_at": now.astimezone(dt.UTC).isoformat(),
            "place": None if place is None else asdict(place),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(record) + "\n")
            # In one step: a kill between two writes must not leave half a file.
            os.replace(beside, self.path)
        except OSError as error:
            log.error("failstop_not_counted", path=str(self.path), error=repr(error))


def _fail_stops(record: dict[str, Any]) -> FailStops:
    """Raises ValueError, KeyError or TypeError. A file of an older version has neither in_a_row nor place."""
    count, in_a_row, place = record["count"], record.get("in_a_row", 0), record.get("place")
    if not isinstance(count, int) or not isinstance(in_a_row, int) or count < 0:
        raise ValueError(f"count {count!r}, in_a_row {in_a_row!r}")
    return FailStops(count, in_a_row, None if place is None else RecordPlace(**place))
