"""Which accounts are paused, in a small file beside the tables: a restarted worker does not send them all their jobs again."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from domain.circuit import Pause

log = structlog.get_logger("pause_file")

FILE = "paused_accounts.json"
_ADAPTER: TypeAdapter[dict[str, tuple[str, Pause]]] = TypeAdapter(dict[str, tuple[str, Pause]])


class PauseStore(Protocol):
    """Keeps the pauses beyond the life of the process."""

    def read(self) -> Mapping[str, tuple[str, Pause]]:
        """By account: the hash of the key that the pause is about, and the pause."""
        ...

    def write(self, pauses: Mapping[str, tuple[str, Pause]]) -> None:
        """Replace all that is remembered."""


class PauseFile:
    """Pauses by account, each with the hash of the key that it is about. Losing the file costs one refused try."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE

    def read(self) -> dict[str, tuple[str, Pause]]:
        """What was written last; empty where there is no file, or none that can be read."""
        try:
            return _ADAPTER.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.warning("paused_accounts_unreadable", path=str(self.path), error=repr(error)[:300])
            return {}

    def write(self, pauses: Mapping[str, tuple[str, Pause]]) -> None:
        """Replace what was written; a full disk is logged, and stops nothing."""
        beside = self.path.with_suffix(".tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(_ADAPTER.dump_python(dict(pauses), mode="json")) + "\n")
            os.replace(beside, self.path)  # in one step: a kill between two writes must not leave half a file
        except OSError as error:
            log.warning("paused_accounts_not_written", path=str(self.path), error=repr(error))
