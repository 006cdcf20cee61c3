"""build/compare.json: its rows."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from bench.compare.row import Row


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the rows, one a line."""
    lines = ",\n".join(json.dumps(asdict(row)) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"rows": [\n{lines}\n]}}\n', encoding="utf-8")


def read(path: Path) -> list[Row]:
    """The rows of a file that `write` wrote."""
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
