"""The whole comparison: rows by the model, rows by real runs, and the report of them."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from compare import model, page, pairs, runs, table
from compare.answers import Answer, answers
from compare.case import all_cases
from compare.real import Place
from compare.row import Row
from compare.words import way

JSON, HTML = "compare.json", "compare.html"


def compare(out: Path, place: Place | None, say: Callable[[str], None]) -> bool:
    """Make all rows, real ones too if there is a place for them. True: all was answered, and the model was near enough."""
    began_s = time.monotonic()
    cases = all_cases()
    rows = list(model.play_all(cases))
    ideal_s = {case: row.ideal_s for case, row in zip(cases, rows, strict=True)}
    say(f"{len(rows)} rows by the model in {time.monotonic() - began_s:.0f} s")
    found = answers(rows)
    if place is not None:
        shutil.rmtree(place.folder, ignore_errors=True)
        for run in runs.RUNS:
            rows += runs.simulated(run, place, ideal_s.__getitem__)
            for pair in pairs.paired(rows)[-len(run.cases) :]:
                say(line(pair.real) + f"; by the model {pair.model.makespan_s:,.0f} s ({pair.difference:+.1%})")
    comparisons = sum(row.comparisons for row in rows if not row.simulated)
    write(rows, found, out, f"{len(rows)} rows by the model and by real runs ({comparisons:,} comparisons), {_today()}")
    missing = [row for row in rows if row.answered != row.comparisons]
    apart = [pair for pair in pairs.paired(rows) if not pair.agrees]
    say(f"{out / JSON}, {out / HTML}: {len(rows)} rows, {sum(not row.simulated for row in rows)} of real runs")
    say(f"{time.monotonic() - began_s:.0f} s; {len(missing)} rows with answers missing, {len(apart)} far from the model")
    return not missing and not apart


def write(rows: list[Row], found: list[Answer], out: Path, said: str) -> None:
    """Write both files."""
    table.write(rows, out / JSON)
    (out / HTML).write_text(page.page(rows, found, said), encoding="utf-8")


def line(row: Row) -> str:
    """One row, as a line of text."""
    return (
        f"{way(row)}, {row.workload} at {row.account} {row.provider}: {row.answered} of {row.comparisons} answered in "
        f"{row.makespan_s:,.0f} s (ideal {row.ideal_s:,.0f}), {row.http_operations} operations, "
        f"{row.calls_429} of 429, ${row.cost_usd:.4f}"
    )


def _today() -> str:
    return time.strftime("%Y-%m-%d")
