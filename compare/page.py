"""build/compare.html: the answers, the plots, the real rows beside the model, and every row. It loads no other file."""

import html
from collections.abc import Iterable, Sequence

from compare import charts, pairs
from compare.answers import Answer
from compare.pace import BATCH_LEAST_S, BATCH_MOST_S, BATCH_S, CALL_ITEM_S, CALL_S
from compare.row import Row
from compare.words import duration, judgement

_STYLE = """
body { font: 15px/1.55 system-ui, "DejaVu Sans", sans-serif; color: #22252b; }
body { margin: 0 auto; max-width: 1180px; padding: 24px 28px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 34px 0 6px; }
.faint { color: #6b7280; } .short { font-weight: 600; margin: 2px 0 4px; } ul { margin: 4px 0 0; padding-left: 20px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; }
th, td { padding: 3px 12px 3px 0; border-bottom: 1px solid #e6e8ec; white-space: nowrap; } td.n, th.n { text-align: right; }
.wide { overflow-x: auto; } .off { color: #b3261e; font-weight: 600; } summary { cursor: pointer; margin-top: 8px; }
"""


def page(rows: Sequence[Row], answers: Sequence[Answer], said: str) -> str:
    """The whole page. `said`: what was measured, and when."""
    found = pairs.paired(rows)
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>roundbatch: strategies compared</title>",
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>Strategies compared</h1><p class='faint'>{html.escape(said)}</p>",
        *map(_answer, answers),
        "<h2>Cost against time</h2><p>Each mark is one way to answer the whole workload. Further left is sooner, further down "
        "is cheaper. Numbers at marks: comparisons in a bundle with shared essays. Lines: the same where batches take "
        f"{duration(BATCH_LEAST_S)} to {duration(BATCH_MOST_S)}.</p>",
        charts.cost_against_time(rows) if rows else "",
    ]
    if any(row.account == "small" and row.strategy == "serial_bundle" for row in rows):
        parts += ["<h2>What bundles do to a small account</h2>", charts.bundles_on_a_small_account(rows)]
    if found:
        parts += ["<h2>The model and the real runs</h2>", _REAL, _pairs(found)]
    parts += ["<h2>What is assumed</h2>", _ASSUMED, "<h2>All rows</h2>", _all(rows), "</body></html>"]
    return "\n".join(parts)


_REAL = (
    "<p>Real: a worker process, Kafka, HTTP to the simulator with the account's limits, played so many times faster as the "
    "scale says; seconds are unscaled. The model must be within 10 % of them. ideal: the longest of what each limit alone "
    "permits, plus one call (of batches: one after another).</p>"
)
_ASSUMED = (
    f"<ul><li>Recorded: essays of 256 to 628 words; a call of one comparison takes {CALL_S} s (p95 2.2 s); small batches take "
    f"{duration(BATCH_LEAST_S)} to {duration(BATCH_MOST_S)}, here {duration(BATCH_S)}, the mean if they are spread evenly over "
    "the orders of magnitude between.</li>"
    f"<li>Not recorded: each further comparison of a bundle adds {CALL_ITEM_S} s, some 70 output tokens at 140 a second.</li>"
    "<li>Buckets are full at the start; the worker knows no limit before the first answer shows it, and has 16 calls under way "
    "at most.</li>"
    "<li>The simulated judge errs in 5 % of the pairs, and judges alike in bundles and alone; it writes about 31 output tokens "
    "a comparison (35 to 104 were recorded). Tokens are bytes by four, prices those of genai-prices.</li>"
    "<li>No faults, nobody else on the account, no limit of queued batch tokens.</li></ul>"
)


def _answer(answer: Answer) -> str:
    listed = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in answer.sentences)
    return f"<h2>{html.escape(answer.question)}</h2><p class='short'>{html.escape(answer.short)}</p><ul>{listed}</ul>"


def _pairs(found: Iterable[pairs.Pair]) -> str:
    head: tuple[str, ...] = (
        *_WAY_HEAD,
        "real",
        "model",
        "difference",
        "ideal",
        "ideal / real",
        "scale",
    )
    head += ("operations", "of the model", "429", "cost")
    lines = [
        (
            *_way(pair.real),
            duration(pair.real.makespan_s),
            duration(pair.model.makespan_s),
            f"{pair.difference:+.1%}" if pair.agrees else f"<span class='off'>{pair.difference:+.1%}</span>",
            duration(pair.real.ideal_s),
            f"{pair.real.ideal_s / pair.real.makespan_s:.3f}" if pair.real.makespan_s else "",
            f"{pair.real.scale:g}",
            f"{pair.real.http_operations}",
            f"{pair.model.http_operations}",
            f"{pair.real.calls_429}",
            f"${pair.real.cost_usd:.4f}",
        )
        for pair in found
    ]
    return _table(head, lines, words=5)


_WAY_HEAD = ("strategy", "bundles", "workload", "account", "provider")


def _way(row: Row) -> tuple[str, ...]:
    bundles = f"{row.bundle_size} {row.layout.replace('_', ' ')}" if row.layout else ""
    return row.strategy, bundles, row.workload, row.account, row.provider


def _all(rows: Iterable[Row]) -> str:
    head: tuple[str, ...] = (
        *_WAY_HEAD,
        "judgement",
        "by",
        "answered",
        "makespan",
        "ideal",
        "stood",
    )
    head += ("operations", "429", "input tokens", "cached", "output", "cost", "p50", "p95", "rank correlation")
    lines = [
        (
            *_way(row),
            judgement(row),
            "the model" if row.simulated else f"a run, {row.scale:g} times",
            f"{row.answered} of {row.comparisons}",
            duration(row.makespan_s),
            duration(row.ideal_s),
            duration(row.throttled_s),
            f"{row.http_operations}",
            f"{row.calls_429}",
            f"{row.input_tokens:,}",
            f"{row.cached_tokens:,}",
            f"{row.output_tokens:,}",
            f"${row.cost_usd:.4f}",
            duration(row.p50_s),
            duration(row.p95_s),
            f"{row.rank_correlation:.3f}",
        )
        for row in rows
    ]
    return f"<details><summary>{len(lines)} rows</summary>{_table(head, lines, words=7)}</details>"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], *, words: int) -> str:
    """A table: the first `words` columns are words, the others numbers. Cells may hold markup of this module's own."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(f"<{tag}{'' if at < words else ' class=n'}>{text}</{tag}>" for at, text in enumerate(texts))

    body = "".join(f"<tr>{cells('td', line)}</tr>" for line in lines)
    return f"<div class='wide'><table><tr>{cells('th', head)}</tr>{body}</table></div>"
