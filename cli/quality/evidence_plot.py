"""The evidence of the alarm over days as inline SVG."""

import html
from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 190, 40, 24
_COLOURS = {"excess": "#2f6fb3", "shift": "#d9822b", "position": "#7a4fa3"}


def evidence_by_day(days: Sequence[tuple[str, Mapping[str, float]]], threshold_log10: float) -> str:
    """Lines by measure, in powers of 10, and the threshold at which the alarm sounds. A line has a gap where it began anew."""
    values = [log10 for _, of_day in days for log10 in of_day.values()]
    most, least = 1.15 * max(threshold_log10, *values), min(0.0, *values)

    def x(place: int) -> float:
        return _LEFT + place / max(1, len(days) - 1) * _WIDTH

    def y(log10: float) -> float:
        return _TOP + (most - log10) / (most - least) * _HEIGHT

    size = f"{_LEFT + _WIDTH + 60} {_TOP + _HEIGHT + 26}"
    parts = [f"<svg viewBox='0 0 {size}' width='{_LEFT + _WIDTH + 60}' role='img'>"]
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1_000) if most / step < 8)
    for power in range(0, int(most) + 1, step):
        parts.append(
            f"<line x1='{_LEFT}' x2='{_LEFT + _WIDTH}' y1='{y(power):.1f}' y2='{y(power):.1f}' stroke='#dfe2e7'/>"
            f"<text x='{_LEFT - 6}' y='{y(power) + 4:.1f}' text-anchor='end'>{power}</text>"
        )
    for place in range(0, len(days), max(1, len(days) // 6)):
        parts.append(
            f"<text x='{x(place):.1f}' y='{_TOP + _HEIGHT + 18}' text-anchor='middle'>{html.escape(days[place][0])}</text>"
        )
    at = y(threshold_log10)
    parts.append(
        f"<line x1='{_LEFT}' x2='{_LEFT + _WIDTH}' y1='{at:.1f}' y2='{at:.1f}' stroke='#b3261e' stroke-dasharray='5 4'/>"
        f"<text x='{_LEFT + _WIDTH + 6}' y='{at + 4:.1f}'>alarm</text>"
    )
    for place, (measure, colour) in enumerate(_COLOURS.items()):
        parts.append(f"<text x='{_LEFT + 90 * place}' y='14' style='fill:{colour}'>{measure}</text>")
        for run in _runs([of_day.get(measure) for _, of_day in days]):
            points = " ".join(f"{x(day):.1f},{y(log10):.1f}" for day, log10 in run)
            if len(run) == 1:  # a line of one point cannot be seen
                (day, log10), *_ = run
                parts.append(f"<circle cx='{x(day):.1f}' cy='{y(log10):.1f}' r='3' fill='{colour}'/>")
            parts.append(f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='2'/>")
    return "".join((*parts, "</svg>"))


def _runs(line: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The parts of a line without gaps, each point with its place."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(line):
        if value is not None:
            runs[-1].append((place, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
