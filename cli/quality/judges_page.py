"""The report on the judges as one HTML file: a plot beside its table, and the number of audits everywhere."""

import html
from collections.abc import Iterable, Iterator

from cli.quality.evidence_plot import evidence_by_day
from cli.quality.judges_report import MEASURES, JudgesReport, ModelReport, sentences
from cli.quality.plots import STYLE, Row, forest, points, reliability, table
from cli.words import counted
from domain.evidence import STARTS
from domain.intervals import Calibration, calibration, stated, wilson
from domain.judgement import Group

_WHAT = (
    "Points of 100, with 95 % intervals. <b>excess</b>: how much more often a bundle's verdict differs from single answers "
    "than these from each other. <b>shift</b>: how much more often it is Essay A than a single answer is. <b>position</b>: how "
    "much more often the essay shown first wins than half of the time, in single answers. Grey: the margin of {:g} points."
)


def page(told: JudgesReport) -> str:
    """The whole page."""
    listed = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences(told))
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>roundbatch: how models judge</title>",
        f"<style>{STYLE}</style></head><body><h1>How models judge</h1>",
        f"<p class='faint'>audits since {told.first_day}</p><ul>{listed}</ul>",
    ]
    for model in told.models:
        parts += _model(model, told)
    return "\n".join((*parts, "</body></html>"))


def _model(model: ModelReport, told: JudgesReport) -> Iterator[str]:
    margin = told.margin
    yield f"<h2>{html.escape(f'{model.provider} {model.model}: {model.words}')}</h2>"
    if model.limit is not None:
        yield f"<p>Bundles are limited to {model.limit}, {html.escape(model.limit_said)}</p>"
    yield f"<p>{_WHAT.format(100 * margin)}</p>"
    by_class = [group for by in ("bundle", "layout", "mode", "suspect") for group in model.by[by]]
    yield _forest(by_class, margin)
    yield _groups((model.shown, *by_class))
    yield "<h2>Shift by slot</h2><p>Slots are dealt by chance, so a difference between thirds is the slot's doing.</p>"
    thirds = model.by["third"]
    shifts = [(group, group.measures["shift"]) for group in thirds if "shift" in group.measures]
    if shifts:
        yield forest([Row(f"{group.name} (n {group.audits})", one.interval) for group, one in shifts], margin)
    yield table(("slots", "audits", "shift"), [(group.name, str(group.audits), points(one.interval)) for group, one in shifts])
    yield from _evidence(model, told.threshold_log10)
    yield from _confidence(model.by["bundle"])


def _forest(groups: Iterable[Group], margin: float) -> str:
    rows = [
        Row(f"{measure}, {group.name} (n {group.audits})", one.interval, finding=one.standing.finding)
        for measure in MEASURES
        for group in groups
        if (one := group.measures.get(measure)) is not None
    ]
    return forest(rows, margin) if rows else ""


def _groups(groups: Iterable[Group]) -> str:
    head = ("audits of", "audits", "excess", "shift", "position", "retest", "flips", "finding")
    return table(
        head,
        [
            (
                group.name,
                str(group.audits),
                *(points(group.measures[name].interval) if name in group.measures else "–" for name in MEASURES),
                points(group.retest, signed=False),
                points(group.flips, signed=False),
                group.words(),
            )
            for group in groups
        ],
    )


def _evidence(model: ModelReport, threshold: float) -> Iterator[str]:
    days = [(one.day, one.log10) for one in model.evidence]
    if not any(log10 for _, log10 in days):
        return
    yield (
        f"<h2>Evidence over days</h2><p>That of the last {STARTS} days, each as a start of its own. The alarm sounds at "
        f"10^{threshold:.2f}; a limit on bundles, or an acknowledgement, begins it anew.</p>"
    )
    yield evidence_by_day(days, threshold)
    names = MEASURES
    shown = [(day, *(f"{log10[name]:.2f}" if name in log10 else "–" for name in names)) for day, log10 in days if log10]
    yield f"<details><summary>{counted(len(shown), 'day')}, in powers of 10</summary>{table(('day', *names), shown)}</details>"


def _confidence(groups: Iterable[Group]) -> Iterator[str]:
    yield (
        "<h2>Confidence</h2><p>How often the delivered and both single answers agree, by the confidence that was stated (5 is "
        "certain, 1 a toss of a coin), by bundle class.</p>"
    )
    found = [(f"lines of {group.name}", _calibration(group)) for group in groups]
    yield f"<div class='panels'>{''.join(reliability(name, of) for name, of in found)}</div>"
    rows = []
    for name, of in found:
        for confidence, (hits, n) in of.by_confidence.items():
            share = wilson(hits, n)
            said = f"{share.estimate:.0%} ({share.low:.0%} to {share.high:.0%})"
            rows.append((name, str(confidence), f"{stated(confidence):.0%}", str(n), said))
    yield table(("audits of", "confidence", "states", "audits", "all three agree"), rows)


def _calibration(group: Group) -> Calibration:
    return calibration((c, place < hits) for c, (hits, n) in group.agreed.items() for place in range(n))
