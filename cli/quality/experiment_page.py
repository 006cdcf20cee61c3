"""The report of an experiment: sentences, and one HTML file with a plot beside its table. It loads no other file."""

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from domain.evidence import Finding
from domain.experiment import Arm, Baseline
from domain.intervals import Interval

_STYLE = """
body { font: 15px/1.55 system-ui, "DejaVu Sans", sans-serif; color: #22252b; }
body { margin: 0 auto; max-width: 1080px; padding: 24px 28px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 30px 0 6px; } .faint { color: #6b7280; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 3px 14px 3px 0; border-bottom: 1px solid #e6e8ec; white-space: nowrap; }
.fine { color: #1a7f4b; } .bent { color: #b3261e; font-weight: 600; } svg text { font-size: 12px; fill: #22252b; }
"""
_WIDTH, _ROW, _LEFT, _MOST = 720, 26, 150, 0.30


@dataclass(frozen=True, slots=True)
class Report:
    """What an experiment has found. pairs: that were to be asked; stopped: before all were, at the budget or by the account."""

    provider: str
    model: str
    by: str
    pairs: int
    spent_usd: float
    stopped: bool
    failed: dict[str, int]
    margin: float
    baseline: Baseline
    arms: tuple[Arm, ...]


def points(interval: Interval, *, signed: bool = True) -> str:
    """An interval in points, as `+1.2 (-0.4 to +2.8)`."""
    form = "+.1f" if signed else ".1f"
    estimate, low, high = (format(100 * value, form) for value in interval)
    return f"{estimate} ({low} to {high})"


def sentences(told: Report) -> Iterator[str]:
    """The answer in plain words, the most important first."""
    largest = largest_fine(told.arms)
    if largest is not None:
        yield (
            f"Bundles up to {largest} are shown fine for {told.provider} {told.model}: excess and shift are certainly within "
            f"{100 * told.margin:g} points. To use them: {setting(told, largest)}."
        )
    else:
        yield f"No size of bundle is shown fine for {told.provider} {told.model} yet."
    for arm in told.arms:
        if arm.finding is not Finding.FINE:
            words = arm.words(told.margin)
            yield f"{words[:1].upper()}{words[1:]}."
    of = told.baseline
    yield (
        f"Two single answers to the same pair differ in {points(of.retest, signed=False)} of 100; a swap of the essays changes "
        f"the winner in {points(of.flips, signed=False)}. What a swap does beyond that noise is the position bias: "
        f"{points(of.position)} points towards the essay shown first{', surely' if of.position.surely else ''}."
    )
    early = ", stopped before all were asked" if told.stopped else ""
    yield f"{of.pairs} pairs by {told.by}, ${told.spent_usd:.4f} spent{early}."
    for why, times in told.failed.items():
        yield f"{times} prompts brought nothing: {why}."
    yield "What single calls and bundles get wrong alike, as an essay that tells the judge to choose it, is not seen here."


def largest_fine(arms: Iterable[Arm]) -> int | None:
    """The largest size that is shown fine together with all smaller ones; None where the smallest is not."""
    largest = None
    for arm in sorted(arms, key=lambda one: one.size):
        if arm.finding is not Finding.FINE:
            break
        largest = arm.size
    return largest


def setting(told: Report, size: int) -> str:
    """The line to paste."""
    name = "BATCH_BUNDLE_SIZE" if told.by == "batch jobs" else "BUNDLE_SIZE"
    return f"ROUNDBATCH_{told.provider.upper()}__{name}={size}"


def page(told: Report) -> str:
    """The whole page."""
    rows: list[tuple[str, Interval, Finding | None]] = [
        (f"bundles of {arm.size}: excess", arm.excess, arm.finding) for arm in told.arms
    ]
    rows += [(f"bundles of {arm.size}: shift", arm.shift, arm.finding) for arm in told.arms]
    rows += [("single calls: position", told.baseline.position, None)]
    thirds: list[tuple[str, Interval, Finding | None]] = [
        (f"of {arm.size}, slots {name}", third, None)
        for arm in told.arms
        for name, third in zip(("first third", "second", "last third"), arm.shift_by_third, strict=True)
    ]
    listed = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences(told))
    return "\n".join(
        (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>roundbatch: how bundles are judged</title>",
            f"<style>{_STYLE}</style></head><body><h1>How bundles are judged</h1>",
            f"<p class='faint'>{html.escape(f'{told.provider} {told.model}, by {told.by}')}</p><ul>{listed}</ul>",
            "<h2>Against single calls</h2><p>Points of 100, with 95 % intervals by lines. <b>excess</b>: how much more often a "
            "bundle's verdict differs from single answers than these from each other. <b>shift</b>: how much more often it is "
            f"Essay A. Grey: the margin of {100 * told.margin:g} points.</p>",
            _forest(rows, told.margin),
            _arms(told.arms),
            "<h2>Shift by slot</h2><p>Slots were dealt by chance, so a difference between thirds is the slot's doing.</p>",
            _forest(thirds, told.margin),
            _table(("slots", "shift"), [(name, points(found)) for name, found, _ in thirds]),
            "</body></html>",
        )
    )


def _arms(arms: Iterable[Arm]) -> str:
    head = (
        "bundles of",
        "pairs",
        "lines",
        "unanswered",
        "excess",
        "shift",
        "agreement with a single answer",
        "kappa",
        "finding",
    )
    return _table(
        head,
        [
            (
                str(arm.size),
                str(arm.audits),
                str(arm.lines),
                str(arm.missing),
                points(arm.excess),
                points(arm.shift),
                points(arm.agreement, signed=False),
                f"{arm.kappa:.2f}",
                arm.finding.words(arm.audits, arm.wanted),
            )
            for arm in arms
        ],
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(f"<{tag}{_mark(text)}>{html.escape(text)}</{tag}>" for text in texts)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', head)}</tr>{body}</table>"


def _mark(text: str) -> str:
    return {"bent": " class=bent", "shown fine": " class=fine"}.get(text, "")


def _forest(rows: Sequence[tuple[str, Interval, Finding | None]], margin: float) -> str:
    """Each interval as a line with its estimate as a dot, on a common scale of points; what is beyond it is cut off."""
    most = min(_MOST, max(0.08, *(max(abs(found.low), abs(found.high)) for _, found, _ in rows)))
    height = _ROW * len(rows) + 30

    def x(value: float) -> float:
        return _LEFT + 50 + (max(-most, min(most, value)) + most) / (2 * most) * (_WIDTH - _LEFT - 70)

    parts = [
        f"<svg viewBox='0 0 {_WIDTH} {height}' width='{_WIDTH}' role='img'>",
        f"<rect x='{x(-margin):.1f}' y='0' width='{x(margin) - x(-margin):.1f}' height='{height - 24}' fill='#eef0f3'/>",
        f"<line x1='{x(0):.1f}' x2='{x(0):.1f}' y1='0' y2='{height - 24}' stroke='#9aa1ac'/>",
    ]
    for at, (name, found, finding) in enumerate(rows):
        y = _ROW * at + _ROW / 2
        colour = {Finding.BENT: "#b3261e", Finding.FINE: "#1a7f4b"}.get(finding or Finding.NOT_KNOWN, "#2f6fb3")
        parts += [
            f"<text x='0' y='{y + 4:.1f}'>{html.escape(name)}</text>",
            f"<line x1='{x(found.low):.1f}' x2='{x(found.high):.1f}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='2'/>",
            f"<circle cx='{x(found.estimate):.1f}' cy='{y}' r='4' fill='{colour}'/>",
        ]
    for value in (-most, -margin, 0.0, margin, most):
        parts.append(f"<text x='{x(value):.1f}' y='{height - 6}' text-anchor='middle'>{100 * value:+.0f}</text>")
    return "".join((*parts, "</svg>"))
