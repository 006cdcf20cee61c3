"""Plots of a report as inline SVG, and tables, in one HTML file that loads no other."""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.evidence import Finding
from domain.intervals import Calibration, Interval, stated, wilson

STYLE = """
body { font: 15px/1.55 system-ui, "DejaVu Sans", sans-serif; color: #22252b; }
body { margin: 0 auto; max-width: 1120px; padding: 24px 28px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 34px 0 6px; } .faint { color: #6b7280; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: 10px 0; }
th, td { text-align: left; padding: 3px 12px 3px 0; border-bottom: 1px solid #e6e8ec; white-space: nowrap; }
th { font-weight: 600; color: #4b5563; white-space: normal; vertical-align: bottom; }
.scroll { overflow-x: auto; } .panels { display: flex; flex-wrap: wrap; gap: 14px; }
.fine { color: #1a7f4b; } .bent { color: #b3261e; font-weight: 600; } svg text { font-size: 12px; fill: #22252b; }
code { background: #eef0f3; padding: 1px 5px; border-radius: 3px; }
"""
_WIDTH, _ROW, _LETTER = 560, 24, 6.6
_LEAST, _MOST = 0.08, 0.40
_COLOURS = {Finding.BENT: "#b3261e", Finding.FINE: "#1a7f4b", Finding.NOT_KNOWN: "#8a6d1d", None: "#2f6fb3"}
_PANEL = 170


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a forest plot: an interval, and behind it a wider one; its colour says the finding."""

    name: str
    found: Interval
    wider: Interval | None = None
    finding: Finding | None = None


def points(interval: Interval, *, signed: bool = True) -> str:
    """An interval of a share in points, as `+1.2 (-0.4 to +2.8)`."""
    form = "+.1f" if signed else ".1f"
    estimate, low, high = (format(round(100 * value, 1) + 0.0, form) for value in interval)  # -0.0 is written 0.0
    return f"{estimate} ({low} to {high})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells that are a finding get its colour."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(f"<{tag}{_mark(text)}>{html.escape(text)}</{tag}>" for text in texts)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<div class='scroll'><table><tr>{cells('th', head)}</tr>{body}</table></div>"


def _mark(text: str) -> str:
    return {str(Finding.BENT): " class=bent", str(Finding.FINE): " class=fine"}.get(text, "")


def forest(rows: Sequence[Row], margin: float) -> str:
    """Each interval as a line with its estimate as a dot, on a common scale of points.

    What is beyond the scale is cut off, with an arrow there.
    """
    ends = [abs(end) for row in rows for end in (row.found.low, row.found.high)]
    most = min(_MOST, max(_LEAST, 1.6 * margin, *ends) * 1.04)
    left = 16 + _LETTER * max(len(row.name) for row in rows)
    height = _ROW * len(rows) + 30

    def x(value: float) -> float:
        return left + (max(-most, min(most, value)) + most) / (2 * most) * _WIDTH

    parts = [
        f"<svg viewBox='0 0 {left + _WIDTH + 20:.0f} {height}' width='{left + _WIDTH + 20:.0f}' role='img'>",
        f"<rect x='{x(-margin):.1f}' y='0' width='{x(margin) - x(-margin):.1f}' height='{height - 24}' fill='#eef0f3'/>",
    ]
    step = 0.05 if most <= 0.26 else 0.10
    for number in range(-math.floor(most / step), math.floor(most / step) + 1):
        at = x(number * step)
        colour = "#9aa1ac" if number == 0 else "#dfe2e7"
        parts.append(f"<line x1='{at:.1f}' x2='{at:.1f}' y1='0' y2='{height - 24}' stroke='{colour}'/>")
        label = f"{100 * number * step:+.0f}" if number else "0"
        parts.append(f"<text x='{at:.1f}' y='{height - 6}' text-anchor='middle'>{label}</text>")
    for place, row in enumerate(rows):
        y = _ROW * place + _ROW / 2
        colour = _COLOURS[row.finding]
        parts.append(f"<text x='0' y='{y + 4:.1f}'>{html.escape(row.name)}</text>")
        if row.wider is not None:
            parts.append(_line(x(row.wider.low), x(row.wider.high), y, "#b6bcc6", 1))
        parts.append(_line(x(row.found.low), x(row.found.high), y, colour, 3))
        parts += [
            f"<text x='{x(side * most) + side * 5:.1f}' y='{y + 4:.1f}' text-anchor='middle'>{arrow}</text>"
            for side, arrow in ((-1, "‹"), (1, "›"))
            if max(side * row.found.low, side * row.found.high) > most
        ]
        if abs(row.found.estimate) <= most:
            parts.append(f"<circle cx='{x(row.found.estimate):.1f}' cy='{y}' r='4.5' fill='{colour}'/>")
    return "".join((*parts, "</svg>"))


def _line(low: float, high: float, y: float, colour: str, width: int) -> str:
    return f"<line x1='{low:.1f}' x2='{high:.1f}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='{width}'/>"


def reliability(title: str, of: Calibration) -> str:
    """A reliability diagram: what a confidence states (across) against how often a single answer agrees (up)."""
    size = _PANEL
    left, top = 34, 22

    def x(share: float) -> float:
        return left + (share - 0.45) / 0.6 * size

    def y(share: float) -> float:
        return top + (1.05 - max(0.3, share)) / 0.75 * size

    parts = [
        f"<svg viewBox='0 0 {left + size + 10} {top + size + 34}' width='{left + size + 10}' role='img'>",
        f"<text x='{left}' y='13'>{html.escape(title)}</text>",
        f"<rect x='{left}' y='{top}' width='{size}' height='{size}' fill='none' stroke='#dfe2e7'/>",
        f"<line x1='{x(0.45):.1f}' y1='{y(0.45):.1f}' x2='{x(1.05):.1f}' y2='{y(1.05):.1f}' stroke='#9aa1ac' "
        "stroke-dasharray='4 3'/>",
    ]
    for share in (0.5, 0.75, 1.0):
        parts.append(f"<text x='{x(share):.1f}' y='{top + size + 14}' text-anchor='middle'>{100 * share:.0f}</text>")
        parts.append(f"<text x='{left - 5}' y='{y(share) + 4:.1f}' text-anchor='end'>{100 * share:.0f}</text>")
    for confidence, (hits, n) in of.by_confidence.items():
        found, at = wilson(hits, n), x(stated(confidence))
        parts.append(
            f"<line x1='{at:.1f}' x2='{at:.1f}' y1='{y(found.low):.1f}' y2='{y(found.high):.1f}' stroke='#2f6fb3' "
            f"stroke-width='2'/><circle cx='{at:.1f}' cy='{y(found.estimate):.1f}' r='{3 + min(5.0, math.sqrt(n) / 6):.1f}' "
            "fill='#2f6fb3' fill-opacity='0.75'/>"
        )
    parts.append(f"<text x='{left + size / 2}' y='{top + size + 30}' text-anchor='middle'>stated</text>")
    parts.append(f"<text x='{left + 5}' y='{top + 14}'>agrees</text></svg>")
    return "".join(parts)
