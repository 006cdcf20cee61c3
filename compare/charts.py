"""The report's plots, as SVG text: cost against time, and what bundles do to a small account."""

import io
import re
from collections.abc import Iterable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from compare.row import Row
from compare.words import duration

INK, FAINT, GRID = "#22252b", "#6b7280", "#e6e8ec"
COLOURS = {"per_request": "#5b6470", "serial_bundle": "#d9822b", "per_round": "#2f6fb3", "nightly": "#7a4fa3"}
MARKS = {"anthropic": "o", "openai": "s"}
TITLES = {"rounds": "ten rounds of 12", "dense": "a dense round of 288"}
_TICKS_S = (20.0, 60.0, 300.0, 1_800.0, 7_200.0, 36_000.0, 172_800.0, 864_000.0)


def cost_against_time(rows: Iterable[Row]) -> str:
    """A panel for each workload and account. Filled marks are rows of the model, ringed ones were also run for real."""
    rows = list(rows)
    workloads, accounts = _names(row.workload for row in rows), _names(row.account for row in rows)
    real = {row.key for row in rows if not row.simulated}
    shown = [row for row in rows if row.simulated] or rows
    figure = Figure(figsize=(4.1 * len(accounts) + 0.6, 3.7 * len(workloads) + 0.7))
    grid = figure.subplots(len(workloads), len(accounts), squeeze=False)
    for line, workload in zip(grid, workloads, strict=True):
        for axis, account in zip(line, accounts, strict=True):
            _panel(axis, [row for row in shown if (row.workload, row.account) == (workload, account)], real)
            axis.set_title(f"{TITLES.get(workload, workload)}, {account} account", fontsize=10, loc="left", color=INK)
    figure.legend(handles=_legend(bool(real)), loc="lower center", ncols=7, frameon=False, fontsize=8.5)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    return _svg(figure)


def _panel(axis: Axes, rows: Sequence[Row], real: set[tuple[str, ...]]) -> None:
    axis.set_xscale("log")
    for row in rows:
        colour, cost = COLOURS[row.strategy], row.cost_usd * 100
        if row.most_s > row.least_s:
            axis.plot([row.least_s, row.most_s], [cost, cost], color=colour, linewidth=1.2, alpha=0.5, zorder=2)
        edge = INK if row.simulated and row.key in real else "white"
        axis.scatter(row.makespan_s, cost, s=46, marker=MARKS[row.provider], color=colour, edgecolors=edge, zorder=3)
        if row.workload == "dense" and row.layout == "shared_essays" and row.provider == "anthropic":
            axis.annotate(
                str(row.bundle_size), (row.makespan_s, cost), (4, 4), textcoords="offset points", fontsize=7.5, color=FAINT
            )
    longest = max((row.makespan_s for row in rows), default=60.0)
    ticks = [tick for tick in _TICKS_S if tick <= longest * 2]
    axis.set_xticks(ticks, [duration(tick).replace(".0", "") for tick in ticks])
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    _plain(axis)
    axis.set_ylabel("cost, US cents")


def _legend(real: bool) -> list[Line2D]:
    def mark(label: str, colour: str, shape: str, edge: str = "white") -> Line2D:
        return Line2D([], [], linestyle="", marker=shape, color=colour, markeredgecolor=edge, markersize=7, label=label)

    found = [mark(name, colour, "o") for name, colour in COLOURS.items()]
    found += [mark(provider, FAINT, shape) for provider, shape in MARKS.items()]
    return [*found, mark("also run for real", "white", "o", INK)] if real else found


def bundles_on_a_small_account(rows: Iterable[Row]) -> str:
    """Duration and number of operations by the size of bundles, in both layouts."""
    theirs = [
        row for row in rows if row.simulated and row.account == "small" and row.strategy in ("per_request", "serial_bundle")
    ]
    workloads = _names(row.workload for row in theirs)
    figure = Figure(figsize=(4.6 * len(workloads) + 0.6, 3.4))
    for axis, workload in zip(figure.subplots(1, len(workloads), squeeze=False)[0], workloads, strict=True):
        for provider, layout, style in (
            (provider, layout, style) for provider in MARKS for layout, style in (("verbatim", "--"), ("shared_essays", "-"))
        ):
            line = sorted(
                (row.bundle_size, row.makespan_s)
                for row in theirs
                if (row.workload, row.provider) == (workload, provider) and row.layout in ("", layout)
            )
            colour = COLOURS["serial_bundle"] if provider == "anthropic" else COLOURS["per_round"]
            axis.plot(
                [str(size) for size, _ in line],
                [seconds / 60 for _, seconds in line],
                style,
                color=colour,
                marker=MARKS[provider],
                markersize=5,
                label=f"{provider}, {layout.replace('_', ' ')}",
            )
        axis.set_title(f"{TITLES.get(workload, workload)}, small account", fontsize=10, loc="left", color=INK)
        axis.set_xlabel("comparisons in a call")
        axis.set_ylabel("minutes until all is answered")
        axis.set_ylim(bottom=0)
        _plain(axis)
        axis.legend(frameon=False, fontsize=8, handlelength=3.2)
    figure.tight_layout()
    return _svg(figure)


def _plain(axis: Axes) -> None:
    axis.grid(color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8, colors=FAINT, length=0)
    axis.xaxis.label.set(fontsize=8.5, color=FAINT)
    axis.yaxis.label.set(fontsize=8.5, color=FAINT)
    for side in ("top", "right", "left", "bottom"):
        axis.spines[side].set_visible(False)


def _names(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _svg(figure: Figure) -> str:
    """The figure as an element of a page: no XML head, sizes by the page."""
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "compare"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    return re.sub(r'<svg ([^>]*?)width="[^"]+"', r'<svg \1width="100%"', svg[svg.index("<svg") :], count=1).replace(
        ' height="', ' data-height="', 1
    )
