"""The report of `make compare`: what it reads, what it says, and what a live comparison may begin."""

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from typer.testing import CliRunner

from agents.metrics.counters import Metrics
from cli.main import app
from compare import pairs, scraped, table
from compare.answers import answers
from compare.case import LONG_LINES, Case
from compare.live import Live, expected_usd, provider_variables, providers_of, runs_of
from compare.model import play_all
from compare.page import page
from compare.row import Row, percentile
from compare.words import duration


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Rows of every way that the answers speak of, each played once and taken for every account and provider."""
    ways = [("per_request", 1, None), ("per_round", 1, None), ("nightly", 1, None)]
    ways += [("per_round", size, "shared_essays") for size in (8, *LONG_LINES)]
    ways += [("serial_bundle", size, layout) for size in (4, 8, 32) for layout in ("verbatim", "shared_essays")]
    one_round = play_all(Case(name, "anthropic", "large", "rounds", size, layout, rounds=1) for name, size, layout in ways)
    return [
        replace(row, provider=provider, account=account, workload=workload)
        for row in one_round
        for provider in ("anthropic", "openai")
        for account in ("small", "large")
        for workload in ("rounds", "dense")
    ]


def test_the_answers_take_their_figures_from_the_rows(rows: list[Row]) -> None:
    other = [replace(row, http_operations=4_711) if row.strategy == "per_round" else row for row in rows]
    pressure, cheapest, fastest, safest = answers(other)

    assert "4711 operations for ten rounds" in " ".join(pressure.sentences)
    assert "per_round 4711" in " ".join(safest.sentences)
    assert cheapest.question == "Which is cheapest?"
    assert "per_round with bundles of 64 as lines $" in " ".join(cheapest.sentences)
    assert any("per_request, 4 s" in sentence or "serial_bundle" in sentence for sentence in fastest.sentences)


def test_the_page_is_whole_by_itself_and_names_what_is_off(rows: list[Row]) -> None:
    real = replace(rows[0], simulated=False, makespan_s=rows[0].makespan_s * 1.2, scale=10.0)
    text = page([*rows, real], answers(rows), "said <so>")

    assert text.count("<svg") == 2
    assert "what the others are measured against" in text
    assert text.count("<td>not measured</td>") == sum(row.bundle_size > 1 for row in rows)
    assert "said &lt;so&gt;" in text
    assert "<span class='off'>+20.0%</span>" in text
    assert not any(mark in text for mark in ("<script", "<link", "@import", 'src="', "href='http"))


def test_rows_come_back_from_the_file(rows: list[Row], tmp_path: Path) -> None:
    table.write(rows, tmp_path / "compare.json")

    assert table.read(tmp_path / "compare.json") == rows
    with pytest.raises(LookupError, match="no row of"):
        table.Rows(rows).one("per_request", "anthropic", "medium", "rounds")


def test_a_pair_agrees_within_a_tenth(rows: list[Row]) -> None:
    near, far = (replace(rows[0], simulated=False, makespan_s=rows[0].makespan_s * factor) for factor in (0.91, 1.11))

    assert [pair.agrees for pair in pairs.paired([rows[0], near, far])] == [True, False]


def test_a_run_is_told_by_the_workers_metrics() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.http_operation("anthropic", "messages.create", "200")
    metrics.http_operation("anthropic", "messages.create", "429")
    metrics.http_operation("openai", "batches.create", "200")
    found = scraped.read(generate_latest(metrics.registry).decode(), "anthropic")

    assert (found.http_operations, found.calls_429, found.limits.requests) == (2, 1, float("inf"))


def test_live_runs_begin_with_the_cheapest_and_leave_nights_out() -> None:
    found = runs_of(Live(1.0, ("per_round", "serial_bundle", "per_request", "nightly"), rounds=2, dense=True), ["openai"])

    assert [(run.cases[0].strategy, run.cases[0].workload) for run in found] == [
        ("per_round", "rounds"),
        ("serial_bundle", "rounds"),
        ("per_request", "rounds"),
        ("per_round", "dense"),
        ("serial_bundle", "dense"),
        ("per_round", "dense"),
        ("serial_bundle", "dense"),
        ("per_request", "dense"),
    ]
    assert [run.cases[0].work.rounds for run in found[:4]] == [2, 2, 2, 1]
    assert all(run.cases[0].live for run in found)
    assert 0.002 < expected_usd(found[2]) < 0.01


def test_only_what_concerns_providers_is_taken_from_the_environment() -> None:
    environment = {"ANTHROPIC_API_KEY": "k", "ROUNDBATCH_ANTHROPIC__BASE_URL": "http://127.0.0.1:1", "ROUNDBATCH_APP_ID": "x"}
    variables = provider_variables(environment)

    assert set(variables) == {"ANTHROPIC_API_KEY", "ROUNDBATCH_ANTHROPIC__BASE_URL"}
    assert providers_of(variables) == ("anthropic",)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--live"], "--budget 0.50"),
        (["--live", "--budget", "0"], "--budget 0.50"),
        (["--budget", "1"], "belongs to --live"),
        (["--live", "--budget", "1", "--strategy", "nightly"], "per_round after a wait"),
        (["--live", "--budget", "1"], "set ANTHROPIC_API_KEY or OPENAI_API_KEY"),
    ],
)
def test_money_is_spent_only_within_a_budget(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    refused = CliRunner().invoke(app, ["compare", *arguments])

    assert refused.exit_code == 2
    assert said in refused.output


def test_words() -> None:
    assert [duration(seconds) for seconds in (47.2, 349.0, 3_600.0, 32_775.0, 810_000.0)] == [
        "47 s",
        "5.8 min",
        "60 min",
        "9.1 h",
        "9.4 days",
    ]
    assert (percentile([], 0.5), percentile([3.0], 0.95), percentile([1.0, 2.0, 3.0], 0.5)) == (0.0, 3.0, 2.0)
