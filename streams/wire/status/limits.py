"""What the accounts' limits leave: of a minute, and in the provider's batch queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a minute's requests or tokens of one model.

    taken_by_others: since the worker's start, by other programs and other workers, as far as headers showed it.
    """

    model: str
    kind: str
    limit: float
    remaining: float
    taken_by_others: float


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """The calls of an account in one worker, which may take `share` of what all workers may: `limits_share` of the limits.

    pause_s: how long calls still stand because the provider said so (429, 529); the longest of its models.
    """

    provider: str
    waiting: int
    under_way: int
    at_once: int
    share: float
    limits_share: float
    pause_s: float
    left: Sequence[Left]


@dataclass(frozen=True, slots=True)
class MergedLimits:
    """The calls of an account in all workers that were asked."""

    provider: str
    waiting: int
    under_way: int
    at_once: int
    limits_share: float
    pause_s: float
    left: Sequence[Left]

    @classmethod
    def merge(cls, told: Iterable[AccountLimits]) -> list[MergedLimits]:
        """By account: sums, for each worker tells of its share, and the longest pause.

        What others took is the most that one worker saw, for each sees all the others.
        """
        found: dict[str, list[AccountLimits]] = {}
        for account in told:
            found.setdefault(account.provider, []).append(account)
        return [
            cls(
                provider,
                waiting=sum(one.waiting for one in several),
                under_way=sum(one.under_way for one in several),
                at_once=sum(one.at_once for one in several),
                limits_share=min(one.limits_share for one in several),
                pause_s=max(one.pause_s for one in several),
                left=_left(left for one in several for left in one.left),
            )
            for provider, several in found.items()
        ]


def _left(told: Iterable[Left]) -> list[Left]:
    found: dict[tuple[str, str], Left] = {}
    for one in told:
        before = found.get((one.model, one.kind), Left(one.model, one.kind, 0.0, 0.0, 0.0))
        found[one.model, one.kind] = Left(
            one.model,
            one.kind,
            before.limit + one.limit,
            before.remaining + one.remaining,
            max(before.taken_by_others, one.taken_by_others),
        )
    return list(found.values())


@dataclass(frozen=True, slots=True)
class QueueUse:
    """What a worker's batches take of an account's batch queue, where its size is set. model: "" where all share one queue."""

    provider: str
    model: str
    kind: str
    used: int
    limit: float
    waiting: int

    @classmethod
    def merge(cls, told: Iterable[QueueUse]) -> list[QueueUse]:
        """By queue and kind: sums, for each worker may fill its share."""
        found: dict[tuple[str, str, str], QueueUse] = {}
        for one in told:
            key = (one.provider, one.model, one.kind)
            before = found.get(key, cls(*key, 0, 0.0, 0))
            found[key] = cls(*key, before.used + one.used, before.limit + one.limit, before.waiting + one.waiting)
        return list(found.values())
