"""The answers to one batch, read out of the topics: who was compared with whom, where in which line, and what came back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agents.planning.resolve import prompt_source
from agents.records import decide
from domain import rounds
from domain.comparison import Member
from domain.job import Job
from domain.outcome import Outcome
from domain.partition.state import PartitionState
from domain.suspects import suspicions
from providers.prompts.layouts import essay_texts
from streams.wire import work
from streams.wire.requests import InboundMember, Undecodable, read_record


@dataclass(frozen=True, slots=True)
class Asked:
    """One comparison of the batch: the IDs of its essays."""

    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that ended a comparison: whether A won, and the slot (from 0) of so many in the line that brought it.

    line: names the line among all of the batch. mode: the wire's queue_processing_mode.
    """

    asked: Asked
    a_won: bool
    confidence: float
    line: str
    slot: int
    size: int
    provider: str
    model: str
    mode: str


class Requests:
    """The comparisons of one batch, by partition and member, as they are read; and which rules their essays meet.

    unnamed: comparisons that name no two essays, and tell nothing of a ranking. unseen: those whose blocks do not show the
    essays' texts, which could not be looked at for words to the judge.
    """

    def __init__(self, batch: str) -> None:
        self._batch = batch
        # As it stands in JSON, with and without escapes for what is not ASCII.
        self._in_bytes = tuple({json.dumps(batch, ensure_ascii=ascii_only)[1:-1].encode() for ascii_only in (True, False)})
        self._ids: set[tuple[int, str]] = set()
        self._texts: set[tuple[str, int]] = set()
        self.asked: dict[int, dict[Member, Asked]] = {}
        self.first_ms: int | None = None
        self.suspects: dict[str, tuple[str, ...]] = {}
        self.unnamed = 0
        self.unseen = 0

    def read(self, partition: int, offset: int, at_ms: int, raw: bytes | None) -> None:
        """Take in one record of the request topic; of comparisons with one id the first counts, as for the worker."""
        if raw is None or not any(name in raw for name in self._in_bytes):
            return
        try:
            record = read_record(raw, judged=True)
        except Undecodable:
            return
        for one in record.members:
            member = Member(offset, one.position)
            if one.body is None or self._batch_of(one, member) != self._batch:
                continue
            place = (partition, str(one.correlation_id))
            if place in self._ids:
                continue
            self._ids.add(place)
            self.first_ms = at_ms if self.first_ms is None else min(self.first_ms, at_ms)
            self._enter(partition, member, one)

    def _batch_of(self, one: InboundMember, member: Member) -> str | None:
        kind, _, rest = rounds.round_key(one.metadata, member).partition(":")
        return None if kind == "own" else rest.rpartition(":")[0]

    def _enter(self, partition: int, member: Member, one: InboundMember) -> None:
        texts = essay_texts(prompt_source(one))
        of_blocks = (None, None) if texts is None else (texts[0][0], texts[1][0])
        a, b = (one.metadata.get(f"essay_{side}_id") or shown for side, shown in zip("ab", of_blocks, strict=True))
        if not (isinstance(a, str) and isinstance(b, str)) or a == b:
            self.unnamed += 1
            return
        self.asked.setdefault(partition, {})[member] = Asked(a, b)
        if texts is None:
            self.unseen += 1
            return
        for name, text in zip((a, b), (texts[0][1], texts[1][1]), strict=True):
            self._look_at(name, text)

    def _look_at(self, name: str, text: str) -> None:
        key = (name, hash(text))  # each text once: an essay stands in some 20 comparisons
        if key not in self._texts:
            self._texts.add(key)
            met = suspicions(text)
            if met:
                self.suspects[name] = tuple(dict.fromkeys((*self.suspects.get(name, ()), *met)))


class Answers:
    """The work records of one partition, read in order: each is decided again, as reconcile decided it.

    It may begin at any record that is older than the batch's first request.
    """

    def __init__(self, partition: int, asked: Mapping[Member, Asked]) -> None:
        self._asked = asked
        self._state = PartitionState(partition)
        self._partition = partition
        self._places: dict[Member, tuple[str, int, int]] = {}
        self.answered: list[Answered] = []
        self.failed = 0

    @property
    def open(self) -> int:
        """Comparisons of the batch that have not ended yet."""
        return len(self._asked) - len(self.answered) - self.failed

    def read(self, offset: int, at_ms: int, raw: bytes | None) -> None:
        """Take in one record of the work topic."""
        try:
            record = work.decode(raw or b"")
        except ValueError:
            return  # reconcile has put it into the dead letters
        verdict = decide.decide(self._state, record, offset, at_ms)
        self._plan(verdict.jobs)
        for outcome in verdict.terminal:
            if outcome.member in self._asked:
                self._end(outcome)
        decide.learn(self._state, verdict)

    def _end(self, outcome: Outcome) -> None:
        if outcome.answer is None:
            self.failed += 1
            return
        a_won = outcome.answer.winner == "Essay A"
        # By the job that owned it last. An answer from a job before that, which is rare, is taken for one of this line.
        line, slot, size = self._places.get(outcome.member, ("", 0, 1))
        of_model = (outcome.provider, outcome.model, outcome.mode)
        asked = self._asked[outcome.member]
        self.answered.append(Answered(asked, a_won, outcome.answer.confidence, line, slot, size, *of_model))

    def _plan(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            for number, line in enumerate(job.plan.lines):
                for slot, member in enumerate(line):
                    if member in self._asked:
                        self._places[member] = (f"{self._partition}/{job.custom_id(number)}", slot, len(line))
