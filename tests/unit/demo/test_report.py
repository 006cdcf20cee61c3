"""What a demo shows: standings, table, picture, progress."""

import io
from pathlib import Path

import matplotlib.image
import numpy as np
from rich.console import Console

from demo import assignment, picture, report
from demo.cj_batch import CJBatch, Route
from demo.progress import Progress, bill
from demo.sending import Sending
from streams.wire.results import ComparisonResult

LEDGER = {"batches": 4, "http_operations": 31, "cost_usd": 0.1, "cost_single_usd": 0.2}


def judged(rounds: int = 10) -> CJBatch:
    """A batch whose judge never errs."""
    batch = CJBatch(
        assignment.load(assignment.FOLDER / "school-start"),
        Route("openai", "gpt-6-luna", "results"),
        cj_batch_id="139",
        rounds=rounds,
        rng=np.random.default_rng(7),
    )
    qualities = {essay.id: essay.quality for essay in batch.assignment.essays}
    for _ in range(rounds):
        for body in batch.next_round():
            a, b = (qualities[body["metadata"][name]] for name in ("essay_a_id", "essay_b_id"))
            batch.take(
                ComparisonResult.model_validate(
                    {
                        "request_id": "r",
                        "correlation_id": body["correlation_id"],
                        "winner": "Essay A" if a > b else "Essay B",
                        "justification": "better",
                        "confidence": 3.0,
                        "provider": "openai",
                        "model": "gpt-6-luna",
                        "response_time_ms": 1,
                        "cost_estimate": 0.0,
                        "requested_at": "2026-11-24T09:30:00Z",
                        "completed_at": "2026-11-24T09:30:00Z",
                    }
                )
            )
    return batch


def test_standings_are_the_order_that_the_answers_give() -> None:
    batch = judged()

    rows = report.standings(batch)

    assert [row.place for row in rows] == list(range(1, 25))
    assert sorted(row.hidden_place for row in rows) == list(range(1, 25))
    assert sum(row.won for row in rows) == 120
    assert {row.compared for row in rows} == {10}
    assert [row.quality for row in sorted(rows, key=lambda row: row.hidden_place)][:2] == [0.97, 0.93]
    assert sum(abs(row.place - row.hidden_place) for row in rows) <= 24


def test_made_up_answers_are_counted_and_give_no_ranking() -> None:
    batch = judged()
    made_up = CJBatch(
        batch.assignment,
        Route("mock", "mock", "results", judges=False),
        cj_batch_id="140",
        rounds=1,
        rng=np.random.default_rng(7),
    )
    for body in made_up.next_round():
        made_up.enter(body["correlation_id"], "Essay A")
    output = io.StringIO()
    with Progress([made_up], lambda: LEDGER, output, live=False) as progress:
        progress.update()

    found = report.make([batch, made_up], LEDGER | {"input_tokens": 1}, 1.0, Sending(http=True))

    assert found.by_provider == {"openai": 120, "mock": 12}
    assert found.cj == "http"
    assert found.rank_correlation == round(batch.rank_correlation(), 4) != round(made_up.rank_correlation(), 4)
    assert output.getvalue() == "mock: round 1 of 1 answered, 12 comparisons, 0 errors, made up\n"


def test_the_table_and_the_picture_hold_every_essay(tmp_path: Path) -> None:
    batch = judged()
    output = io.StringIO()

    report.print_tables([batch] * 4, Console(file=output, width=80))
    picture.draw([batch, batch], tmp_path / "deep" / "ranking.png")

    assert output.getvalue().count("Should school start later?") == 4, "two beside each other, or a terminal cuts them off"
    assert all(f"({essay.quality:.2f})" in output.getvalue() for essay in batch.assignment.essays)
    height, width, _ = matplotlib.image.imread(tmp_path / "deep" / "ranking.png").shape
    assert (width, height) == (1680, 1140)


def test_where_there_is_no_terminal_each_answered_round_is_a_line() -> None:
    batch = judged(rounds=2)
    output = io.StringIO()

    with Progress([batch], lambda: LEDGER, output, live=True) as progress:
        progress.update()
        progress.update()

    assert output.getvalue().count("\n") == 1
    assert output.getvalue().startswith("openai: round 2 of 2 answered, 24 comparisons, 0 errors")


def test_on_a_terminal_the_view_shows_rounds_answers_and_the_bill() -> None:
    batch = judged(rounds=2)
    output = io.StringIO()
    progress = Progress([batch], lambda: LEDGER, output, live=False)
    progress.update()

    console = Console(file=output, width=80)
    console.print(progress.view())

    shown = output.getvalue()
    assert "2/2" in shown
    assert "24/24" in shown
    assert bill(LEDGER) in shown


def test_the_bill_compares_with_single_calls() -> None:
    assert bill({}) == "no bill yet"
    assert bill(LEDGER) == "4 batch jobs, 31 HTTP operations, $0.1000; single calls $0.2000 (so 50%)"
    assert bill(LEDGER | {"cost_usd": 0.2}) == "4 batch jobs, 31 HTTP operations, $0.2000"


def test_what_is_missing_is_named() -> None:
    batch = judged(rounds=2)
    batch.rounds = 3
    batch.next_round()
    batch.duplicates = 1
    output = io.StringIO()

    report.print_missing([batch], Console(file=output, width=200))

    assert "openai: 12 of 36 comparisons missing in round 3 of 3: " in output.getvalue()
    assert batch.missing[0] in output.getvalue()
    assert batch.missing[5] not in output.getvalue()
    assert "1 results came more than once" in output.getvalue()


def test_what_the_answers_show_is_printed_and_beside_it_what_was_planted() -> None:
    output = io.StringIO()
    report.print_judgement(judged(1), ["12 of 12 are answered.", "Reliability is [0.8]."], Console(file=output, width=200))
    assert "how far its ranking can be trusted" in output.getvalue()
    assert "- Reliability is [0.8]." in output.getvalue()
    assert "roundbatch quality --batch 139" in output.getvalue()
    expected = {"retest": 0.117, "position": 0.0, "bundles": {"8": {"excess": 0.0123, "shift": 0.131}}}
    assert report.planted(("judge_slope=6", "retest=1"), expected) == (
        "planted in the judge: judge_slope=6 retest=1; two single answers differ in 11.7 of 100, position bias "
        "of single answers +0.0 points; bundles of 8: excess +1.2, shift +13.1 points"
    )
    assert report.planted(("judge_error_rate=0.1",), {}) == "planted in the judge: judge_error_rate=0.1"
