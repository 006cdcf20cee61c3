"""Shadow audits: what work records tell of them, added up.

An audit asks one member of a line again, alone, and once with its essays swapped (domain.job.Shadow), and compares the answers
with the one that was delivered (domain.audited). Which lines are audited, domain.shadows says. What work records tell of audits
are facts (`Facts`). They may be learned in any order, and an `AuditBook` adds up the audits that are complete.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import Struct

from domain.audited import POSITION, Audited, count
from domain.census import CLASSES, bundle_class, third
from domain.comparison import Member
from domain.job import Form, Job, Layout
from domain.partition.payments import QUARTER_MS

DAY_MS: Final = 86_400_000
NEVER_CAME_DAYS: Final = 3
"""Days after which an audit that is not complete counts as missing: every batch has expired by then."""
NEVER_CAME: Final = "never_came"
NOT_DELIVERED: Final = "not_delivered"
MODELS_DIFFER: Final = "models_differ"


# -- facts ---------------------------------------------------------------------------------------------------------


class Watched(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A member whose line is audited, as it was planned. size, slot (from 0): of its line. shadows: how many it has.

    suspect: whether the line holds several comparisons, and one of them an essay that speaks to the judge (domain.suspects).
    """

    member: Member
    provider: str
    model: str
    mode: str
    size: int
    slot: int
    layout: Layout
    shadows: int
    suspect: bool = False  # stored only where it is true (tables.audits)


class Delivered(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """What the line of an audited member has brought: whether Essay A won, None where there was no answer."""

    member: Member
    a_won: bool | None
    confidence: float = 0.0


class ShadowReply(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What came back for one shadow: the winner as the answer names it, or why there is none.

    winner: "Essay A" or "Essay B"; of a swapped shadow "Essay A" is the essay that the request calls B. model_said: the model
    as the reply names it. cause: why there is no answer. usd: what it cost.
    """

    member: Member
    form: Form
    number: int
    winner: str | None = None
    confidence: float = 0.0
    model_said: str = ""
    cause: str = ""
    usd: float = 0.0

    @property
    def a_won(self) -> bool | None:
        """Whether the essay won that the request calls A; None where there is no answer."""
        return None if self.winner is None else (self.winner == "Essay A") != (self.form is Form.SWAPPED)


class Facts(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """What one work record, appended at `at_ms`, tells of audits."""

    offset: int
    at_ms: int
    watched: tuple[Watched, ...] = ()
    delivered: tuple[Delivered, ...] = ()
    replies: tuple[ShadowReply, ...] = ()


def watched(job: Job, suspects: Collection[Member] = ()) -> tuple[Watched, ...]:
    """The audited members of a job. suspects: members with an essay that speaks to the judge, of the job and of others."""
    plan = job.plan
    if not plan.shadows:
        return ()
    several = Counter(shadow.member for shadow in plan.shadows)
    layouts = {shadow.member: shadow.layout for shadow in plan.shadows}
    return tuple(
        Watched(
            member,
            plan.provider,
            plan.model,
            plan.mode,
            len(line),
            slot,
            layouts[member],
            several[member],
            len(line) > 1 and any(one in suspects for one in line),
        )
        for line in plan.lines
        for slot, member in enumerate(line)
        if member in several
    )


# -- what is added up ----------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """Audits that are counted together. model: as the provider names it in its replies, so that versions are told apart.

    bundle: the bundle class. third: of the line, from 0, in which the member stood. suspect: of bundles, whether a suspect
    essay stood in the line.
    """

    provider: str
    model: str
    mode: str
    bundle: str
    layout: str
    third: int
    suspect: bool = False


class Complete(NamedTuple):
    """One complete audit; confidence: that of the delivered answer, as a whole number from 1 to 5."""

    audited: Audited
    confidence: int


def measured(audits: Mapping[Complete, int], bundle: str) -> dict[str, Counter[float]]:
    """Counts of each measure's values, by its name.

    Of lines with one member there is only `position`: their delivered answer is a single one itself.
    """
    counted: dict[str, Counter[float]] = {}
    for complete, number in audits.items():
        for name, values in count((complete.audited,)).items():
            if bundle != CLASSES[0][1] or name == POSITION.name:
                of = counted.setdefault(name, Counter())
                for value in values:
                    of[value] += number
    return counted


@dataclass(slots=True)
class _Audit:
    """What is known of one audit so far."""

    watched: Watched | None = None
    day: int = 0
    delivered: Delivered | None = None
    replies: dict[tuple[Form, int], ShadowReply] = field(default_factory=dict)


class AuditBook:
    """The audits of one partition, or of all records that it was told of.

    Every fact may be told more than once; of two replies to one shadow the first that is told counts. Memory: about 150 B for
    each audit that is kept, for a second reply to its shadows must be known for what it is.
    """

    def __init__(self) -> None:
        self._open: dict[Member, _Audit] = {}
        self._done: dict[Member, int] = {}  # the day on which each was planned
        self._counts: dict[Cell, dict[int, Counter[Complete]]] = {}
        self._totals: dict[Cell, Counter[Complete]] = {}
        self._missing: dict[tuple[Cell, str], Counter[int]] = {}  # by day
        self._usd: dict[int, float] = {}  # by quarter of an hour
        self._last = 0  # the latest quarter in it
        self._forgotten = 0  # days before this one

    # -- learning ------------------------------------------------------------------------------------------------

    def new(self, replies: Iterable[ShadowReply]) -> tuple[ShadowReply, ...]:
        """Those that the book does not know yet, each shadow once."""
        found: dict[tuple[Member, Form, int], ShadowReply] = {}
        for reply in replies:
            if not self._knows(reply):
                found.setdefault((reply.member, reply.form, reply.number), reply)
        return tuple(found.values())

    def _knows(self, reply: ShadowReply) -> bool:
        audit = self._open.get(reply.member)
        return reply.member in self._done or (audit is not None and (reply.form, reply.number) in audit.replies)

    def learn(self, facts: Facts) -> None:
        """Apply what one work record tells."""
        touched: dict[Member, None] = {}
        for one in facts.watched:
            if (audit := self._of(one.member)) is not None:
                audit.watched, audit.day = one, facts.at_ms // DAY_MS
                touched[one.member] = None
        for brought in facts.delivered:
            # A line may bring none, and be asked again by a process after this one; of two facts the one with an answer counts.
            if (audit := self._of(brought.member)) is not None and (audit.delivered is None or audit.delivered.a_won is None):
                audit.delivered = brought
                touched[brought.member] = None
        for reply in facts.replies:
            audit = self._of(reply.member)
            if audit is not None and (reply.form, reply.number) not in audit.replies:
                audit.replies[reply.form, reply.number] = reply
                quarter = facts.at_ms // QUARTER_MS
                self._usd[quarter] = self._usd.get(quarter, 0.0) + reply.usd
                self._last = max(self._last, quarter)
                touched[reply.member] = None
        for member in touched:
            self._settle(member)

    def _of(self, member: Member) -> _Audit | None:
        if member in self._done:
            return None
        audit = self._open.get(member)
        if audit is None:
            audit = self._open[member] = _Audit()
        return audit

    def _settle(self, member: Member) -> None:
        """Count an audit once everything is known of it, or a shadow without an answer."""
        audit = self._open[member]
        of = audit.watched
        if of is None or len(audit.replies) < of.shadows:
            return
        replies = [audit.replies[key] for key in sorted(audit.replies)]
        cause = _why_missing(audit.delivered, replies)
        if audit.delivered is None and not cause:
            return
        del self._open[member]
        self._done[member] = audit.day
        cell = _cell(of, next((reply.model_said for reply in replies if reply.model_said), of.model))
        if cause or audit.delivered is None:
            self._miss(cell, cause, audit.day)
            return
        swapped, singles = _sides(replies)
        if of.size == 1:
            singles = [audit.delivered.a_won is True, *singles]
        complete = Complete(
            Audited(audit.delivered.a_won is True, singles[0], singles[1], swapped), round(audit.delivered.confidence)
        )
        self._counts.setdefault(cell, {}).setdefault(audit.day, Counter())[complete] += 1
        self._totals.setdefault(cell, Counter())[complete] += 1

    def _miss(self, cell: Cell, cause: str, day: int) -> None:
        self._missing.setdefault((cell, cause), Counter())[day] += 1

    def forget(self, before_day: int) -> None:
        """Forget audits that were planned before this day (days since the epoch), and what was paid before it."""
        if before_day <= self._forgotten:
            return
        self._forgotten = before_day
        self._open = {member: audit for member, audit in self._open.items() if audit.day >= before_day}
        self._done = {member: day for member, day in self._done.items() if day >= before_day}
        for cell, days in list(self._counts.items()):
            for day in [day for day in days if day < before_day]:
                self._totals[cell] -= days.pop(day)
            if not days:  # requests may name ever other models
                del self._counts[cell], self._totals[cell]
        for key, of_cause in list(self._missing.items()):
            for day in [day for day in of_cause if day < before_day]:
                del of_cause[day]
            if not of_cause:
                del self._missing[key]
        first = before_day * DAY_MS // QUARTER_MS
        self._usd = {quarter: usd for quarter, usd in self._usd.items() if quarter >= first}

    # -- what it tells -------------------------------------------------------------------------------------------

    def by_cell_and_day(self) -> Iterator[tuple[Cell, int, Counter[Complete]]]:
        """The complete audits, by cell and the day on which they were planned (days since the epoch, UTC)."""
        for cell, days in self._counts.items():
            for day, audits in days.items():
                yield cell, day, audits

    def by_cell(self) -> Iterator[tuple[Cell, Counter[Complete]]]:
        """The complete audits of all days, by cell."""
        yield from self._totals.items()

    def missing(self, today: int) -> Counter[tuple[Cell, str]]:
        """How many audits will never be complete, by cell and cause. Their model is the planned one where no reply came."""
        found: Counter[tuple[Cell, str]] = Counter()
        for key, days in self._missing.items():
            if number := days.total():
                found[key] = number
        for audit in self._open.values():
            if audit.watched is not None and audit.day + NEVER_CAME_DAYS <= today:
                found[_cell(audit.watched, audit.watched.model), NEVER_CAME] += 1
        return found

    @property
    def under_way(self) -> int:
        """How many audits are neither complete nor known to be missing."""
        return len(self._open)

    def usd_since(self, from_ms: int) -> float:
        """USD paid for shadows since this moment, which must be the beginning of a quarter of an hour.

        It is asked for each job that has shadows, so it does not go through all of AUDIT__KEEP_DAYS.
        """
        first = from_ms // QUARTER_MS
        if self._last - first > len(self._usd):
            return sum(usd for quarter, usd in self._usd.items() if quarter >= first)
        return sum(self._usd.get(quarter, 0.0) for quarter in range(first, self._last + 1))


def _cell(of: Watched, model: str) -> Cell:
    return Cell(of.provider, model, of.mode, bundle_class(of.size), of.layout, third(of.slot, of.size), of.suspect)


def _why_missing(delivered: Delivered | None, replies: Sequence[ShadowReply]) -> str:
    """Why an audit whose replies are all known will never be complete; "": nothing speaks against it."""
    for reply in replies:
        if reply.winner is None:
            return reply.cause
    if len({reply.model_said for reply in replies if reply.model_said}) > 1:
        return MODELS_DIFFER
    return NOT_DELIVERED if delivered is not None and delivered.a_won is None else ""


def _sides(replies: Sequence[ShadowReply]) -> tuple[bool, list[bool]]:
    swapped = next(reply.a_won is True for reply in replies if reply.form is Form.SWAPPED)
    return swapped, [reply.a_won is True for reply in replies if reply.form is Form.AGAIN]
