"""How far the rankings of open batches can be trusted, as /rankings tells it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnlikelyLine:
    """A bundle whose verdicts are all one letter, to which the ranking gives next to no chance."""

    round: str
    job_id: str
    line: int
    comparisons: int


@dataclass(frozen=True, slots=True)
class BatchRanking:
    """One batch with comparisons that are not answered yet, or that had some within the last ten minutes.

    asked: comparisons; failed: ended in an error; unseen: answered, and left out of the ranking, for the worker does not know
    their essays. essays … groups: of those that are answered (domain.ranking_summary.Summary). reliability, order_points: None
    where there is no ranking yet, or the batch is too large. suspects: essays that meet a rule of domain.suspects.
    """

    batch: str
    partition: int
    asked: int
    answered: int
    failed: int
    unseen: int
    essays: int
    least: int
    mean: float
    groups: int
    reliability: float | None
    upper_bound: bool
    order_points: float | None
    order_surely: bool
    suspects: int
    unlikely_lines: Sequence[UnlikelyLine]


@dataclass(frozen=True, slots=True)
class Rankings:
    """Of one worker. open: batches with open comparisons; shown: the oldest of them, then those that had some just now."""

    now_ms: int
    open: int
    shown: Sequence[BatchRanking]
