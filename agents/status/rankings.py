"""The rankings of open batches, worked out when somebody asks: how much is known, how far to trust it, what is odd.

A scrape never asks. Tables are read in the event loop, some entries a turn; the fit is made in a thread, and again only when
there are new verdicts.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import structlog

from domain.census import LETTERS
from domain.ranking_summary import Summary, summary
from domain.rounds import OWN, batch_key
from streams.clock import Clock
from streams.wire.status.rankings import BatchRanking, Rankings, UnlikelyLine
from tables.judged import JudgedBatch, judged_batch
from tables.view import PartitionView, Tables

log = structlog.get_logger("rankings")
SHOWN = 20
_LOOKED_THROUGH = 10_000  # open rounds of a partition
_ANEW_S = 5.0  # what was read is told for so long
_STAYS_S = 600.0  # a batch is shown for so long after its last open comparison: CJ may be about to ask its next round
_MOST_TOLD = 1_024  # lines that are not logged again
_NO_VERDICTS = Summary(0, 0, 0.0, 0)


@dataclass(slots=True)
class _Known:
    read_s: float
    verdicts: int
    summary: Summary
    told: BatchRanking


class OpenRankings:
    """Of the batches with open comparisons in this worker's partitions, and of those that had some a short while ago."""

    def __init__(self, views: Iterable[PartitionView], tables: Tables, clock: Clock) -> None:
        self._views, self._tables, self._clock = views, tables, clock
        self._known: dict[tuple[int, str], _Known] = {}
        self._open_s: dict[tuple[int, str], float] = {}  # when a batch was last seen with open comparisons
        self._logged: set[tuple[str, int]] = set()
        self._turn = asyncio.Lock()

    async def told(self) -> Rankings:
        """What is to be told now; two that ask at once cost as much as one."""
        async with self._turn:
            now_s, views = self._clock.running_s(), {view.partition: view for view in self._views if view.caught_up}
            opened = {(view.partition, batch): now_s for view in views.values() for batch in _open_batches(view)}
            before = {name: at_s for name, at_s in self._open_s.items() if name[0] in views and now_s - at_s < _STAYS_S}
            self._open_s = opened | {name: at_s for name, at_s in before.items() if name not in opened}
            names = list(self._open_s)[:SHOWN]
            looks = [await self._look(views[partition], batch) for partition, batch in names]
            self._known = {name: known for name, known in zip(names, looks, strict=True) if known is not None}
            return Rankings(self._clock.now_ms(), len(opened), [known.told for known in self._known.values()])

    async def _look(self, view: PartitionView, batch: str) -> _Known | None:
        name, now_s = (view.partition, batch), self._clock.running_s()
        known = self._known.get(name)
        if known is not None and now_s - known.read_s < _ANEW_S:
            return known
        judged = await judged_batch(self._tables, view, batch, least=LETTERS)
        if judged is None:
            return None
        if known is not None and known.verdicts == len(judged.verdicts):
            of = known.summary
        elif judged.verdicts:
            lines = [line.places for line in judged.lines]
            of = await asyncio.to_thread(summary, list(judged.verdicts.values()), lines)
        else:
            of = _NO_VERDICTS
        unlikely = [judged.lines[place] for place in of.unlikely_lines]
        told = _told(
            view.partition, batch, judged, of, [UnlikelyLine(x.round, x.job_id, x.number, len(x.places)) for x in unlikely]
        )
        self._log(told)
        self._known[name] = _Known(now_s, len(judged.verdicts), of, told)
        return self._known[name]

    def _log(self, told: BatchRanking) -> None:
        for line in told.unlikely_lines:
            if (line.job_id, line.line) in self._logged:
                continue
            if len(self._logged) >= _MOST_TOLD:
                self._logged.clear()
            self._logged.add((line.job_id, line.line))
            log.warning(
                "line_one_letter",
                partition=told.partition,
                round=line.round,
                job_id=line.job_id,
                line=line.line,
                comparisons=line.comparisons,
                said="all verdicts are one letter, against the ranking: `roundbatch quality --batch` lists its essays",
            )


def _open_batches(view: PartitionView) -> Iterator[str]:
    """Batches with open comparisons, oldest first. A comparison that names no batch is compared with nothing else."""
    rounds = islice(view.state.rounds.open_rounds, _LOOKED_THROUGH)
    return (batch for batch in dict.fromkeys(map(batch_key, rounds)) if batch != OWN)


def _told(partition: int, batch: str, judged: JudgedBatch, of: Summary, unlikely: list[UnlikelyLine]) -> BatchRanking:
    return BatchRanking(
        batch=batch,
        partition=partition,
        asked=judged.asked,
        answered=judged.answered,
        failed=judged.failed,
        unseen=judged.unseen,
        essays=of.essays,
        least=of.least,
        mean=of.mean,
        groups=of.groups,
        reliability=of.reliability,
        upper_bound=of.upper_bound,
        order_points=of.order_points,
        order_surely=of.order_surely,
        suspects=len(judged.suspects),
        unlikely_lines=unlikely,
    )
