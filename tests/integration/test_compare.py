"""The comparison for real, in small: beside the model, and on accounts as if they were live."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from compare import model, runs
from compare.case import Case
from compare.pace import Pace
from compare.real import Place, Run
from simulator.control import SimulatorControl


def test_real_rows_are_what_the_model_says(kafka: str, tmp_path: Path) -> None:
    cases = [Case("serial_bundle", name, "small", "rounds", 4, "verbatim", rounds=3) for name in ("anthropic", "openai")]
    run = Run(cases, Pace(scale=10.0), timeout_s=60.0)
    models = {case: model.play(case) for case in cases}
    place = Place({"KAFKA_BOOTSTRAP_SERVERS": kafka, "ROUNDBATCH_PARTITIONS": "2"}, {}, os.environ, tmp_path)

    rows = runs.simulated(run, place, lambda case: models[case].ideal_s)

    for case, row in zip(cases, rows, strict=True):
        beside = models[case]
        assert (row.answered, row.comparisons, row.calls_429) == (36, 36, 0)
        assert (row.http_operations, row.input_tokens, row.output_tokens, row.cost_usd, row.rank_correlation) == (
            beside.http_operations,
            beside.input_tokens,
            beside.output_tokens,
            pytest.approx(beside.cost_usd, rel=0.05),  # which of two calls at a time writes the cache is not certain
            beside.rank_correlation,
        )
        # Never much quicker than the model; slower by as much as the machine is. `make compare` measures how near they are.
        assert 0.75 * beside.makespan_s <= row.makespan_s <= 4 * beside.makespan_s


def test_live_stops_at_its_budget(
    kafka: str, simulator: SimulatorControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("ANTHROPIC_API_KEY", "k"),
        ("ANTHROPIC_BASE_URL", simulator.base_url),
        ("KAFKA_BOOTSTRAP_SERVERS", kafka),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    budget = [
        "compare",
        "--live",
        "--budget",
        "0.009",
        "--rounds",
        "1",
        "--strategy",
        "serial_bundle",
        "--strategy",
        "per_request",
    ]

    done = CliRunner().invoke(app, [*budget, "--out", str(tmp_path)])

    assert done.exit_code == 0, done.output
    assert "stopped at the budget of $0.0090" in done.output
    rows = [row for row in json.loads((tmp_path / "compare.json").read_text())["rows"] if not row["simulated"]]
    assert [(row["strategy"], row["provider"], row["account"], row["answered"]) for row in rows] == [
        ("serial_bundle", "anthropic", "live", 12)
    ]
    assert 0 < rows[0]["cost_usd"] <= 0.009
    assert rows[0]["cost_usd"] == pytest.approx(simulator.ledger()["cost_usd"], rel=0.01)
    assert "What do the live accounts show?" in (tmp_path / "compare.html").read_text()
