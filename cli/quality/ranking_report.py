"""What the answers to one batch say of its ranking: figures, and the sentences that tell them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from cli.quality.answers import Answered
from cli.quality.batch_topics import Batch
from domain import ranking
from domain.census import OneLetter, Placed, SlotEffect, Slots, one_letter_lines, third, unlikely_lines
from domain.intervals import Interval, wilson
from domain.ranking import Fit, Reliability, Verdict
from domain.ranking_checks import BOOTSTRAPS, Coverage, Triads, adaptive, beyond_usual, coverage, triads
from domain.suspects import UNREAD

WANTED: Final = 10
"""Comparisons of an essay from which a ranking can be used: reliability is then some 0.73."""
_BOOTSTRAP_COMPARISONS: Final = 60_000
"""So many comparisons are drawn and fitted again in all; 200 rounds of 288, some 1 to 2 s."""


@dataclass(frozen=True, slots=True)
class Place:
    """One essay in the ranking; score and error are in logits."""

    essay: str
    place: int
    score: float
    error: float
    comparisons: int
    shown_first: float


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent alike (model, mode, size of line): answers, the share of A, and mean confidence."""

    provider: str
    model: str
    mode: str
    size: int
    answers: int
    share_of_a: Interval
    confidence: float


@dataclass(frozen=True, slots=True)
class RankingReport:
    """Everything that is said of a ranking.

    upper_bound: pairs were chosen by earlier answers, so reliabilities are too high. misfit_…, movers, unlikely_lines: essays.
    """

    batch: str
    essays: int
    asked: int
    answered: int
    failed: int
    open: int
    unnamed: int
    unseen: int
    least: int
    mean: float
    components: int
    strong_components: int
    reliability: Reliability
    upper_bound: bool
    order: Interval
    order_points: float
    triads: Triads
    misfit_infit: tuple[str, ...]
    misfit_side: tuple[str, ...]
    movers: tuple[tuple[str, int, int], ...]
    late_slots: SlotEffect
    one_letter: OneLetter
    unlikely_lines: tuple[tuple[str, ...], ...]
    confidences: dict[int, int]
    sent: tuple[Sent, ...]
    suspects: dict[str, tuple[str, ...]]
    ranking: tuple[Place, ...]


def report(batch: Batch, *, bootstraps: int = BOOTSTRAPS) -> RankingReport:
    """The report on a batch; `bootstraps` rounds at most are drawn to see what is usual.

    Errors: ValueError where nothing is answered, for then there is no ranking.
    """
    if not batch.answered:
        raise ValueError(
            f"nothing of {batch.name} is answered yet: {batch.asked} asked, {batch.open} open, {batch.failed} failed"
        )
    names = sorted({name for one in batch.answered for name in (one.asked.a, one.asked.b)})
    number = {name: at for at, name in enumerate(names)}
    verdicts = [Verdict(number[one.asked.a], number[one.asked.b], one.a_won) for one in batch.answered]
    essays = len(names)
    fitted = ranking.fit(essays, verdicts)
    spread = coverage(essays, verdicts)
    bundled = [(one, verdict) for one, verdict in zip(batch.answered, verdicts, strict=True) if one.size > 1]
    lines = _lines(bundled)
    slots = Slots()
    slots.see(fitted, (Placed(verdict, third(one.slot, one.size)) for one, verdict in bundled))
    times = max(10, min(bootstraps, _BOOTSTRAP_COMPARISONS // len(verdicts)))
    odd = beyond_usual(essays, verdicts, fitted, lambda again: ranking.fit(essays, again, errors=False), times=times)
    reach = 1.959964 * fitted.order_error
    return RankingReport(
        batch=batch.name,
        essays=essays,
        asked=batch.asked,
        answered=len(batch.answered),
        failed=batch.failed,
        open=batch.open,
        unnamed=batch.unnamed,
        unseen=batch.unseen,
        least=spread.least,
        mean=spread.mean,
        components=len(spread.components),
        strong_components=len(spread.strong),
        reliability=ranking.reliability(essays, verdicts, fitted),
        upper_bound=adaptive(verdicts, fitted),
        order=Interval(fitted.order, fitted.order - reach, fitted.order + reach),
        order_points=fitted.order_points(verdicts),
        triads=triads(essays, verdicts, fitted, times=times),
        misfit_infit=tuple(names[one.essay] for one in odd["infit"]),
        misfit_side=tuple(names[one.essay] for one in odd["side"]),
        movers=tuple((names[e], at, other) for e, at, other in _movers(essays, verdicts, fitted)),
        late_slots=slots.late(),
        one_letter=one_letter_lines(fitted, lines),
        unlikely_lines=tuple(_unlikely(lines, fitted, names)),
        confidences=dict(sorted(Counter(round(one.confidence) for one in batch.answered).items())),
        sent=tuple(_sent(batch.answered)),
        suspects=dict(sorted(batch.suspects.items())),
        ranking=tuple(_places(names, fitted, spread)),
    )


def _movers(essays: int, verdicts: Sequence[Verdict], fitted: Fit) -> list[tuple[int, int, int]]:
    return ranking.movers(fitted, ranking.fit(essays, verdicts, order=False, errors=False))


def _lines(bundled: Iterable[tuple[Answered, Verdict]]) -> list[list[Verdict]]:
    lines: dict[str, list[Verdict]] = {}
    for one, verdict in bundled:
        lines.setdefault(one.line, []).append(verdict)
    return list(lines.values())


def _unlikely(lines: Sequence[list[Verdict]], fitted: Fit, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for place in unlikely_lines(fitted, lines):
        yield tuple(sorted({names[essay] for v in lines[place] for essay in (v.a, v.b)}))


def _sent(answered: Sequence[Answered]) -> Iterator[Sent]:
    alike: dict[tuple[str, str, str, int], list[Answered]] = {}
    for one in answered:
        alike.setdefault((one.provider, one.model, one.mode, one.size), []).append(one)
    for (provider, model, mode, size), group in sorted(alike.items()):
        share = wilson(sum(one.a_won for one in group), len(group))
        yield Sent(provider, model, mode, size, len(group), share, fmean(one.confidence for one in group))


def _places(names: Sequence[str], fitted: Fit, spread: Coverage) -> Iterator[Place]:
    for essay in sorted(range(len(names)), key=fitted.places.__getitem__):
        yield Place(
            names[essay],
            fitted.places[essay],
            fitted.scores[essay],
            fitted.errors[essay],
            spread.comparisons[essay],
            spread.shown_first[essay],
        )


def sentences(told: RankingReport) -> Iterator[str]:
    """What a person needs to know of the ranking, a sentence or two for each thing, the most important first."""
    left = "".join(f", {n} {what}" for n, what in ((told.open, "open"), (told.failed, "ended in an error")) if n)
    yield f"{told.answered} of {told.asked} comparisons of {told.essays} essays are answered{left}."
    enough = "" if told.least >= WANTED else f"; at least {WANTED} are wanted for each"
    yield f"An essay has {told.mean:.1f} comparisons on average and {told.least} at least{enough}."
    if told.components > 1:
        apart = "no score of one says anything of another"
        yield f"The essays are in {told.components} groups between which nothing was compared: {apart}."
    elif told.strong_components > 1:
        yield (
            f"The essays are in {told.strong_components} groups of which the lower has won nothing against the higher: "
            "how far apart these are is not known."
        )
    bound = "at most " if told.upper_bound else ""
    yield (
        f"Reliability is {bound}{told.reliability.estimated:.2f} (SSR {told.reliability.separation:.2f}, "
        f"from two halves of the answers {told.reliability.split_half:.2f})."
    )
    if told.upper_bound:
        yield "Its pairs were chosen by earlier answers, so all three are upper bounds."
    sure = ", and surely so" if told.order.surely else ""
    yield (
        f"Being shown first changes an essay's chance to win by {100 * told.order_points:+.1f} points on average{sure} "
        f"({told.order.estimate:+.2f} logits, {told.order.low:+.2f} to {told.order.high:+.2f})."
    )
    if told.movers:
        moved = ", ".join(f"{essay} ({place}, without it {other})" for essay, place, other in told.movers)
        yield f"That correction moves these essays by more than a place: {moved}."
    of = told.triads
    much = "; the judge has no one scale" if of.above < 0.01 else ""
    yield f"Circles of three (x over y over z over x): {of.circular} of {of.triples}, expected {of.expected:.0f}{much}."
    yield from _slots(told)
    yield from _essays(told)


def _slots(told: RankingReport) -> Iterator[str]:
    if all(sent.size == 1 for sent in told.sent):
        return
    late = told.late_slots
    found = [
        *([f"A wins {100 * late.more_a:+.1f} points more often there"] if abs(late.shift_z) > 2.58 else []),
        *(["verdicts there are further from the ranking"] if late.noise_z > 2.58 else []),
    ]
    differs = " and ".join(found) or "no difference found"
    yield f"The last third of slots against the others: {differs} (z {late.shift_z:+.1f}, {late.noise_z:+.1f})."
    letters = told.one_letter
    yield f"Lines of six and more whose verdicts are all one letter: {letters.lines}, expected {letters.expected:.1f}."
    for essays in told.unlikely_lines:
        yield f"A line of one letter to which the ranking gives less than 1 in 10,000 has the essays {', '.join(essays)}."


def _essays(told: RankingReport) -> Iterator[str]:
    for essay, rules in told.suspects.items():
        if worded := [rule for rule in rules if rule != UNREAD]:
            yield f"Essay {essay} speaks to the judge by its words: {', '.join(worded)}."
        if UNREAD in rules:
            yield f"Essay {essay} was looked at only in part, for it is very long or often nearly speaks to the judge."
    for essay in told.misfit_side:
        yield f"In the comparisons of essay {essay} one letter wins far more often than expected: does its text say so?"
    for essay in told.misfit_infit:
        yield f"The verdicts on essay {essay} fit no place in the ranking."
    if told.unseen:
        yield f"The texts of {told.unseen} comparisons could not be looked at, for their blocks do not show the essays."
    if told.unnamed:
        yield f"{told.unnamed} comparisons name no two essays, and are left out."
    yield "An essay that lifts itself by what it says to the judge cannot be told from a good one by answers (docs/quality.md)."
