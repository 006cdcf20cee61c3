"""How models judge, as shadow audits of the partitions held here show (docs/quality.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mean:
    """An estimate with its 95 % interval, as a share: 0.05 is 5 points."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class JudgeStatus:
    """A model as its replies name it. measures: excess, shift, position, as far as there are audits of them.

    finding: shown fine, not known yet (n of about N), or bent. alarms: the measures whose alarm sounds. limit: the most
    comparisons in one line, null where nothing limits them.
    """

    provider: str
    model: str
    audits: int
    measures: Mapping[str, Mean]
    retest: Mean
    finding: str
    alarms: Sequence[str]
    limit: int | None


@dataclass(frozen=True, slots=True)
class JudgesStatus:
    """All models that were audited. month_usd: what audits have cost in the last 30 days."""

    models: Sequence[JudgeStatus] = ()
    month_usd: float = 0.0

    @classmethod
    def merge(cls, told: Iterable[JudgesStatus]) -> JudgesStatus:
        """Of several workers: a row for each worker and model, for intervals do not add up."""
        found = list(told)
        models = sorted((one for of in found for one in of.models), key=lambda one: (one.provider, one.model))
        return cls(models, sum((of.month_usd for of in found), 0.0))
