"""Pairs each real row with the model's row of the same case."""

from collections.abc import Iterable
from dataclasses import dataclass

from compare.row import Row

MOST_DIFFERENCE = 0.10


@dataclass(frozen=True, slots=True)
class Pair:
    """One case, by the model and by a real run."""

    real: Row
    model: Row

    @property
    def difference(self) -> float:
        """By how much the real makespan is longer, as a share of the model's."""
        return self.real.makespan_s / self.model.makespan_s - 1

    @property
    def agrees(self) -> bool:
        """Whether the model is near enough."""
        return abs(self.difference) <= MOST_DIFFERENCE


def paired(rows: Iterable[Row]) -> list[Pair]:
    """The pairs of all real rows that have a row of the model, in the order of the real ones."""
    rows = list(rows)
    models = {row.key: row for row in rows if row.simulated}
    return [Pair(row, models[row.key]) for row in rows if not row.simulated and row.key in models]
