"""The names of all crash points, found in the source: a new one is struck without being told of here."""

import re
from pathlib import Path
from typing import get_args

from streams.wire import work

CHECKOUT = Path(__file__).resolve().parents[3]
_POINT = re.compile(r"crashpoints\.point\(f?\"([a-z_{}.]+)\"")
_KIND = re.compile(r"\{\w+\.kind\}")
PACKAGES = ("agents", "gateway", "streams", "tables")


def crash_points() -> list[str]:
    """All names; one that holds a record's kind stands for one name a kind."""
    found = set()
    for package in PACKAGES:
        for module in (CHECKOUT / package).rglob("*.py"):
            for name in _POINT.findall(module.read_text()):
                found |= {_KIND.sub(kind, name) for kind in _kinds()}
    return sorted(found)


def _kinds() -> list[str]:
    alone = [record for record in get_args(work.WorkRecord) if record is not work.Several]  # whose parts pass the points
    return [str(record.__struct_config__.tag) for record in alone]
