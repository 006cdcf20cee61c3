"""The rows of build/compare.json: written, read, and found by case."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from compare.row import Row


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows, at most one of each case."""

    rows: Sequence[Row]

    def one(self, strategy: str, provider: str, account: str, workload: str, bundle_size: int = 1, layout: str = "") -> Row:
        """The row of a case; LookupError where there is none."""
        key = (strategy, provider, account, workload, str(bundle_size), layout)
        found = next((row for row in self.rows if row.key == key), None)
        if found is None:
            raise LookupError(f"no row of {key} among {len(self.rows)}")
        return found

    def fastest(self, provider: str, account: str, workload: str) -> Row:
        """The row with the shortest makespan there."""
        theirs = [row for row in self.rows if (row.provider, row.account, row.workload) == (provider, account, workload)]
        return min(theirs, key=lambda row: row.makespan_s)


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the rows, one a line."""
    lines = ",\n".join(json.dumps(asdict(row)) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"rows": [\n{lines}\n]}}\n', encoding="utf-8")


def read(path: Path) -> list[Row]:
    """The rows of a file that `write` wrote."""
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
