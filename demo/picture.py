"""The recovered ranking beside the hidden one, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from demo import report
from demo.cj_batch import CJBatch

INK = "#22252b"
FAINT = "#8a8f98"
#: The most places that an essay is off; the colour of its line; the text of the legend.
COLOURS = ((1, "#b9bec7", "at most one place off"), (3, "#e0a526", "two or three"), (99, "#cf4a3c", "more"))


def draw(batches: Sequence[CJBatch], path: Path) -> None:
    """Write a PNG with a panel per batch: each essay a line from its hidden place to the place that the answers give it."""
    with mpl.rc_context({"font.family": "DejaVu Sans", "text.color": INK}):
        figure = Figure(figsize=(5.6 * len(batches), 7.6), dpi=150, facecolor="white")
        axes = figure.subplots(1, len(batches), squeeze=False)[0]
        for batch, axis in zip(batches, axes, strict=True):
            _panel(batch, axis)
        figure.suptitle("Rankings recovered from pairwise comparisons", x=0.5, y=0.975, fontsize=15, fontweight="bold")
        figure.legend(
            handles=[Line2D([], [], color=colour, linewidth=3, label=label) for _, colour, label in COLOURS],
            loc="lower center",
            ncols=len(COLOURS),
            frameon=False,
            fontsize=9,
            labelcolor=FAINT,
            title="Each line is an essay, named by its number",
            title_fontproperties={"size": 9},
        )
        figure.subplots_adjust(left=0.05, right=0.95, top=0.82, bottom=0.1, wspace=0.18)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def _panel(batch: CJBatch, axis: Axes) -> None:
    rows = report.standings(batch)
    # Lines of essays that are farther off are drawn later, and so lie in front.
    for row in sorted(rows, key=lambda row: abs(row.place - row.hidden_place)):
        off = abs(row.place - row.hidden_place)
        colour = next(colour for limit, colour, _ in COLOURS if off <= limit)
        axis.plot([0, 1], [row.hidden_place, row.place], color=colour, linewidth=2.2, solid_capstyle="round", zorder=2)
        axis.scatter([0, 1], [row.hidden_place, row.place], color=colour, s=22, zorder=3)
        axis.text(-0.04, row.hidden_place, f"{row.quality:.2f}   {row.essay}", ha="right", va="center", fontsize=8.5)
        axis.text(1.04, row.place, f"{row.essay}   {row.won}/{row.compared}", ha="left", va="center", fontsize=8.5)
    last = len(rows)
    axis.set_xlim(-0.42, 1.42)
    axis.set_ylim(last + 0.8, -0.6)
    axis.axis("off")
    for x, align, text in ((-0.04, "right", "hidden quality"), (1.04, "left", "recovered · won")):
        axis.text(x, -0.15, text, ha=align, va="center", fontsize=8.5, color=FAINT)
    axis.text(0.5, 1.105, batch.assignment.title, transform=axis.transAxes, ha="center", fontsize=12.5, fontweight="bold")
    axis.text(
        0.5,
        1.06,
        f"{batch.route.provider} · {batch.route.model} · {batch.answered} comparisons in {batch.round} rounds",
        transform=axis.transAxes,
        ha="center",
        fontsize=9,
        color=FAINT,
    )
    axis.text(
        0.5,
        1.015,
        f"rank correlation {batch.rank_correlation():.2f}",
        transform=axis.transAxes,
        ha="center",
        fontsize=10.5,
    )
