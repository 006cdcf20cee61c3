"""What the tables tell of the verdicts of one batch: who was compared with whom, who won, and in which lines they were asked.

Nothing is kept for this: it is put together of `rounds`, `outcomes` and `jobs` when somebody asks.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from msgspec import UNSET

from domain.comparison import Member
from domain.outcome import ANSWERED
from domain.ranking import Verdict
from domain.rounds import SUSPECTS_OF_B, Arrival, Standing
from tables import jobs, outcomes, rounds
from tables.view import PartitionView, Tables

_NO_OFFSET = 1 << 62
_AT_ONCE = 50  # entries read in one turn of the event loop: some 2 ms
T = TypeVar("T")


class Line(NamedTuple):
    """A line as its job has it: places of its verdicts among all of the batch. Those that a later job asked are left out."""

    round: str
    job_id: str
    number: int
    places: tuple[int, ...]


@dataclass(slots=True)
class JudgedBatch:
    """The comparisons of a batch. asked: those that were accepted; failed: that ended in an error.

    unseen: answered, but the tables do not tell the essays (their blocks do not show them) or who won (the entry is of an
    earlier worker). verdicts: all others that are answered; essays have 32 bits of their IDs as numbers. suspects: essays.
    """

    asked: int = 0
    failed: int = 0
    unseen: int = 0
    verdicts: dict[Member, Verdict] = field(default_factory=dict)
    suspects: set[int] = field(default_factory=set)
    lines: list[Line] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Comparisons with an answer."""
        return len(self.verdicts) + self.unseen


async def judged_batch(tables: Tables, view: PartitionView, batch: str, *, least: int) -> JudgedBatch | None:
    """What is known of a batch (domain.rounds.batch_key), with its lines of so many verdicts; None where the partition goes."""
    if view.dead:
        return None
    reading = _Reading(tables, view.partition)
    for _ in reading.steps(batch, least):
        await asyncio.sleep(0)
        if view.dead:
            return None
    return reading.found


class _Asked(NamedTuple):
    offset: int  # of the job's plan: of several jobs the last one has answered, as a rule
    job_id: str
    number: int


class _Reading:
    """The reading of one batch, some entries at a time."""

    def __init__(self, tables: Tables, partition: int) -> None:
        self.found = JudgedBatch()
        self._tables, self._partition = tables, partition
        self._pairs: dict[Member, tuple[int, int] | None] = {}
        self._asked: dict[Member, _Asked] = {}
        self._round: dict[Member, str] = {}

    def steps(self, batch: str, least: int) -> Iterator[None]:
        """Read all of it; yields where others may go on."""
        partition, tables = self._partition, self._tables
        for keys in _slices(rounds.keys_of_batch(tables.rounds, partition, batch)):
            self._read_entries(keys)
            yield
        offsets = sorted({member.offset for member in self._pairs})
        told: set[int] = set()
        for some in _slices(offsets):
            told.update(outcomes.of_records(tables.outcomes, partition, some, _NO_OFFSET))
            self._read_jobs(some)
            yield
        for some in _slices(sorted(told)):
            self._read_endings(some)
            yield
        lines: dict[_Asked, list[int]] = {}
        members = list(self.found.verdicts)
        for place, member in enumerate(members):
            if member in self._asked:
                lines.setdefault(self._asked[member], []).append(place)
        self.found.lines = [
            Line(self._round[members[places[0]]], of.job_id, of.number, tuple(places))
            for of, places in lines.items()
            if len(places) >= least
        ]

    def _read_entries(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            value = self._tables.rounds.find(self._partition, key)
            if value is None:
                continue  # gone by the dedup retention before its row
            entry = rounds.CODEC.decode(value)
            for arrival in entry.arrivals:
                if arrival.standing is Standing.ACCEPTED:
                    self._note(member := entry.member(arrival), arrival)
                    self._round[member] = entry.round_key

    def _note(self, member: Member, arrival: Arrival) -> None:
        self.found.asked += 1
        pair = arrival.pair
        if pair is UNSET or pair[0] == pair[1]:
            self._pairs[member] = None
            return
        self._pairs[member] = pair
        if arrival.suspects is not UNSET:
            masks = (arrival.suspects & (1 << SUSPECTS_OF_B) - 1, arrival.suspects >> SUSPECTS_OF_B)
            self.found.suspects.update(essay for essay, mask in zip(pair, masks, strict=True) if mask)

    def _read_jobs(self, offsets: Sequence[int]) -> None:
        for job_id in dict.fromkeys(jobs.of_records(self._tables.jobs, self._partition, offsets, _NO_OFFSET)):
            value = self._tables.jobs.find(self._partition, jobs.key(self._partition, job_id, "planned"))
            if value is None:
                continue
            job = jobs.PLANNED.decode(value)
            for number, line in enumerate(job.plan.lines):
                asked = _Asked(job.offset, job_id, number)
                for member in line:
                    self._asked[member] = max(self._asked.get(member, asked), asked)

    def _read_endings(self, offsets: Sequence[int]) -> None:
        for offset in offsets:
            entry = outcomes.find(self._tables.outcomes, self._partition, offset)
            for ending in entry.endings if entry is not None else ():
                if not ending.terminal or ending.member not in self._pairs:
                    continue
                pair = self._pairs[ending.member]
                if ending.code != ANSWERED:
                    self.found.failed += 1
                elif pair is None or ending.a_won is UNSET:
                    self.found.unseen += 1
                else:
                    self.found.verdicts[ending.member] = Verdict(*pair, ending.a_won)


def _slices(of: Sequence[T]) -> Iterator[Sequence[T]]:
    return (of[start : start + _AT_ONCE] for start in range(0, len(of), _AT_ONCE))
