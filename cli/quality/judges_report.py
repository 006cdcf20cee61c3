"""What the audits in the topics say of each model: figures, and the sentences that tell them."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cli.quality.plots import points
from cli.words import counted
from domain.auditing import DAY_MS, AuditBook, Cell, Complete, Facts
from domain.evidence import STARTS, Finding
from domain.judgement import BREAKDOWNS, Alarm, Group, Row, Rules, alarms, by_model, count_days, group, groups, threshold_log10
from domain.partition.corrections import Corrections

MEASURES = ("excess", "shift", "position")


@dataclass(slots=True)
class Audits:
    """What was read: the audits of each partition, and what is done about bent judges."""

    books: dict[int, AuditBook] = field(default_factory=dict)
    corrections: Corrections = field(default_factory=Corrections)

    def learn(self, partition: int, facts: Facts) -> None:
        """Take in what one work record of a partition tells."""
        self.books.setdefault(partition, AuditBook()).learn(facts)

    def rows(self) -> Iterator[tuple[Cell, int, Mapping[Complete, int]]]:
        """The complete audits of all partitions."""
        for book in self.books.values():
            yield from book.by_cell_and_day()


@dataclass(frozen=True, slots=True)
class EvidenceDay:
    """The evidence of the alarm at the end of a day, by measure."""

    day: str
    log10: dict[str, float]


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model, as its replies name it.

    shown: what counts for the finding, the audits of the period, and of the days after a limit on its bundles. by: those of the
    whole period, told apart. missing: audits that never became complete, by cause. limit: the most comparisons in a line,
    None where nothing limits them.
    """

    provider: str
    model: str
    finding: Finding
    words: str
    shown: Group
    alarms: dict[str, Alarm]
    by: dict[str, tuple[Group, ...]]
    evidence: tuple[EvidenceDay, ...]
    missing: dict[str, int]
    limit: int | None
    limit_said: str


@dataclass(frozen=True, slots=True)
class JudgesReport:
    """All models. first_day: of the period (ISO). threshold_log10: where alarms sound. usd: what the period's audits cost."""

    first_day: str
    margin: float
    threshold_log10: float
    models: tuple[ModelReport, ...]
    under_way: int
    usd: float

    @property
    def finding(self) -> Finding:
        """One word for all: bent where one model is, fine where all are."""
        found = {model.finding for model in self.models}
        if Finding.BENT in found:
            return Finding.BENT
        return Finding.FINE if found == {Finding.FINE} else Finding.NOT_KNOWN


def report(audits: Audits, rules: Rules, *, now_ms: int, since_ms: int | None = None) -> JudgesReport:
    """The report on what was read, of the audits that were planned since a time (by whole days, UTC)."""
    models, today = by_model(audits.rows()), now_ms // DAY_MS
    known = [row.day for rows in models.values() for row in rows]
    first = min(known, default=today) if since_ms is None else since_ms // DAY_MS
    missing: Counter[tuple[Cell, str]] = Counter()
    for book in audits.books.values():
        missing.update(book.missing(today))
    return JudgesReport(
        _iso(first),
        rules.margin,
        threshold_log10(rules, models=len(models)),
        tuple(
            _model(key, rows, rules, audits.corrections, missing, (len(models), first, today)) for key, rows in models.items()
        ),
        sum(book.under_way for book in audits.books.values()),
        sum(book.usd_since(first * DAY_MS) for book in audits.books.values()),
    )


def _model(
    key: tuple[str, str],
    rows: Sequence[Row],
    rules: Rules,
    corrections: Corrections,
    missing: Mapping[tuple[Cell, str], int],
    period: tuple[int, int, int],
) -> ModelReport:
    models, first, today = period
    limit = corrections.limit(*key)
    limited_day = limit.since_ms // DAY_MS if limit is not None else 0
    after_day = corrections.counts_from_ms(*key) // DAY_MS
    of_period = [row for row in rows if row.day >= first]
    name = "all" if limit is None else "all since the limit"
    shown = group(name, [row for row in of_period if row.day > limited_day], rules)
    days = count_days(rows)
    sounding = alarms(days, rules, models=models, after_day=after_day, today=today)
    finding = Finding.BENT if any(alarm.sounds for alarm in sounding.values()) else shown.finding
    evidence = []
    for day in range(max(first, min(days)), today + 1):
        then = alarms(days, rules, models=models, after_day=after_day if after_day <= day else 0, today=day)
        evidence.append(EvidenceDay(_iso(day), {name: alarm.log10 for name, alarm in then.items()}))
    causes: Counter[str] = Counter()
    for (cell, cause), number in missing.items():
        if (cell.provider, cell.model) == key:
            causes[cause] += number
    return ModelReport(
        *key,
        finding,
        str(finding) if finding is Finding.BENT else shown.words(),
        shown,
        sounding,
        {by: tuple(groups(by, of_period, rules)) for by in BREAKDOWNS},
        tuple(evidence),
        dict(causes),
        corrections.most(*key),
        "" if limit is None else f"{_iso(limited_day)}: {limit.reason or 'no reason given'}",
    )


def _iso(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


def sentences(told: JudgesReport) -> Iterator[str]:
    """What a person needs to know, a sentence or two for each thing."""
    if not told.models:
        more = f"; {told.under_way} are under way" if told.under_way else ": set ROUNDBATCH_AUDIT__SHARE (docs/quality.md)"
        yield f"No audit is complete since {told.first_day}, so nothing is known of any judge{more}."
        return
    for model in told.models:
        yield from _of_model(model, told.margin)
    complete = sum(group.audits for model in told.models for group in model.by["bundle"])
    missing = sum((Counter(model.missing) for model in told.models), Counter[str]())
    lost = f", {missing.total()} missing ({', '.join(f'{n} {cause}' for cause, n in missing.items())})" if missing else ""
    yield (
        f"{counted(complete, 'audit')} since {told.first_day} for ${told.usd:.4f}; {told.under_way} under way{lost}. What "
        "single calls and bundles get wrong alike is not seen here."
    )


def _of_model(model: ModelReport, margin: float) -> Iterator[str]:
    name = f"{model.provider} {model.model}"
    if model.finding is Finding.FINE:
        yield f"{name} is shown fine: {_named(model.shown.measures)} certainly within {100 * margin:g} points of 0."
    elif model.finding is Finding.NOT_KNOWN:
        yield from _of_unknown(name, model.shown)
    else:
        bent = [name for name, one in model.shown.measures.items() if one.standing.finding is Finding.BENT]
        names = dict.fromkeys([*bent, *(alarm.measure for alarm in model.alarms.values() if alarm.sounds)])
        yield f"{name} is bent: {'; '.join(_bent(model, one) for one in names)}."
    for alarm in model.alarms.values():
        if alarm.sounds:
            yield f"The alarm of {name} sounds for {alarm.measure}, by the {counted(alarm.audits, 'audit')} that it counts."
    if model.limit is not None:
        yield f"Bundles of {name} are limited to {counted(model.limit, 'comparison')} since {model.limit_said}."


def _of_unknown(name: str, shown: Group) -> Iterator[str]:
    """How much has been seen, and of what; intervals are for one look, so one that leaves 0 out is no finding yet."""
    if not shown.measures:
        yield f"{name}: not known yet, no audit is complete."
        return
    so_far = ", ".join(f"{measure} {points(one.interval)}" for measure, one in shown.measures.items())
    words = shown.words().removesuffix(")")
    yield f"{name}: {words} audits). So far, in points: {so_far}."


def _named(measures: Iterable[str]) -> str:
    *most, last = measures
    return f"{', '.join(most)} and {last} are" if most else f"{last} is"


_BENT = {
    "excess": "bundles differ from single answers {} points more often than these from each other",
    "shift": "bundles say Essay A {} points more often than single answers",
    "position": "the essay that is shown first wins {} points more often than half of the time",
}


def _bent(model: ModelReport, measure: str) -> str:
    shown, alarm = model.shown.measures.get(measure), model.alarms.get(measure)
    if alarm is not None and alarm.sounds:
        when = f" (last {STARTS} days)"
        return _BENT[measure].format(points(alarm.interval)) + when
    assert shown is not None
    return _BENT[measure].format(points(shown.interval))


def exit_code(told: JudgesReport) -> int:
    """0: all models are shown fine; 3: one is bent; 4: not known yet."""
    return {Finding.FINE: 0, Finding.BENT: 3, Finding.NOT_KNOWN: 4}[told.finding]
