"""Batches of every provider: their rows, how far they are at a given time, and how each row ends.

Nothing runs in the background. A batch is a function of the clock, computed when somebody looks; the first look
at or after its end settles it: every row gets its outcome, and what succeeded is paid for.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.completion import Completion
from simulator.errors import ApiError
from simulator.faults import Fault
from simulator.prompts import Prompt

EXPIRY_S = 24 * 3600
"""Anthropic and OpenAI end a batch 24 h after its creation."""

RowKind = Literal["succeeded", "errored", "expired", "canceled", "missing", "status_zero"]
EndReason = Literal["completed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a batch. A row without a prompt is a bad request, and `error` says why."""

    custom_id: str
    prompt: Prompt | None
    fault: Fault | None
    error: ApiError | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a row ended: with a completion if it succeeded, with an error if it errored. `fault` is what was to go wrong."""

    custom_id: str
    kind: RowKind
    model: str = ""
    completion: Completion | None = None
    error: ApiError | None = None
    fault: Fault | None = None


@dataclass(slots=True)
class Batch:
    """What a batch is at every API. `details` holds what only its own API shows (metadata, file ids).

    `worked`: rows that the control API has had worked, whatever the time. `listed_from`: when the list begins to show it.
    `skew_s`: how far the times that the API shows of it are ahead. `all_or_nothing`: a batch that does not complete gives back
    no row at all. It expires `lives_s` after its creation.

    Once settled it has outcomes and no longer its rows: the prompts of a long benchmark would fill the memory.
    """

    id: str
    provider: str
    workspace: str
    model: str
    created_at: float
    started_at: float
    duration_s: float
    rows: list[Row]
    held: bool = False
    finish_at: float | None = None
    cancel_at: float | None = None
    cancel_duration_s: float = 0.0
    worked: int = 0
    listed_from: float = 0.0
    skew_s: float = 0.0
    all_or_nothing: bool = False
    lives_s: float = EXPIRY_S
    ended_at: float | None = None
    ended_by: EndReason | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many rows it was created with."""
        return len(self.rows) or len(self.outcomes)

    @property
    def expires_at(self) -> float:
        return self.created_at + self.lives_s

    def _natural_end(self) -> float:
        if self.finish_at is not None:
            return self.finish_at
        return math.inf if self.held else self.started_at + self.duration_s

    def end(self) -> tuple[float, EndReason]:
        """When and why the batch ends or has ended, as far as is known now."""
        natural = self._natural_end()
        ends: list[tuple[float, EndReason]] = [(natural, "completed"), (self.expires_at, "expired")]
        if self.cancel_at is not None and self.cancel_at < natural:
            ends.append((self.cancel_at + self.cancel_duration_s, "cancelled"))
            # Rows that would have finished while the batch was being cancelled count as cancelled.
            ends.remove((natural, "completed"))
        return min(ends)

    def rows_done(self, at: float) -> int:
        """How many rows are done at `at`: before the natural end an even share of all, and `worked`."""
        if at >= self._natural_end():
            return len(self.rows)
        if self.held or self.duration_s <= 0:
            return min(len(self.rows), self.worked)
        share = (at - self.started_at) / self.duration_s
        return max(self.worked, min(len(self.rows), int(share * len(self.rows))))

    def shown_at(self, at: float | None) -> float | None:
        """A time as the API shows it, by a clock that may be wrong."""
        return None if at is None else at + self.skew_s

    def outcome_count(self, *kinds: RowKind) -> int:
        return sum(outcome.kind in kinds for outcome in self.outcomes)
