"""`roundbatch quality canaries` against a simulated judge that changes: what is asked, kept and said."""

import datetime as dt
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from tests.contract.test_quality_experiment import judged_by, one_line

PAIRS = 5


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rng = random.Random(2)
    file = tmp_path / "pairs.jsonl"
    some = rng.sample(list(itertools.combinations(range(10), 2)), PAIRS)
    file.write_text("\n".join(json.dumps(one_line(*pair)) for pair in some))
    return file


def canaries(runner: CliRunner, pairs: Path, *more: str) -> Result:
    return runner.invoke(app, ["quality", "canaries", str(pairs), "--state", str(pairs.with_suffix(".json")), "--json", *more])


def a_day_passes(pairs: Path) -> None:
    """Date all rounds back by a day."""
    file = pairs.with_suffix(".json")
    state: dict[str, Any] = json.loads(file.read_text())
    for place, one in enumerate(reversed(state["rounds"]), 1):
        one["day"] = f"2026-01-{28 - place:02}"
    file.write_text(json.dumps(state))


def test_a_judge_that_changes_is_found_and_one_that_does_not_is_not(pairs: Path) -> None:
    with judged_by() as (simulator, runner):
        frozen = canaries(runner, pairs, "--freeze")
        assert frozen.exit_code == 0, frozen.output
        assert len(simulator.calls()) == 9 * PAIRS
        first = canaries(runner, pairs)
        assert (first.exit_code, len(simulator.calls())) == (0, 10 * PAIRS)
        assert canaries(runner, pairs).exit_code == 0
        assert len(simulator.calls()) == 10 * PAIRS  # once a day
        told = json.loads(first.stdout)
        assert (told["pairs"], told["answers"], told["sounds"]) == (PAIRS, PAIRS, False)
        assert told["spent_usd"] == pytest.approx(simulator.ledger()["cost_usd"])
    with judged_by(judge_change_at=0.0, judge_change_turned=1.0) as (_, runner):
        for _ in range(2):
            a_day_passes(pairs)
            done = canaries(runner, pairs)
    assert done.exit_code == 3, done.output
    told = json.loads(done.stdout)
    assert (told["sounds"], told["rounds"]) == (True, 3)
    assert len(told["changed"]) > 2


def test_what_cannot_be_asked_is_said_and_nothing_is_kept(pairs: Path) -> None:
    state = pairs.with_suffix(".json")
    with judged_by() as (simulator, runner):
        missing = canaries(runner, pairs)
        assert (missing.exit_code, missing.stderr) == (1, f"{state} does not exist: begin with --freeze\n")
        assert canaries(runner, pairs, "--freeze", "--budget", "0.00001").exit_code == 1
        assert not state.exists()
        assert canaries(runner, pairs, "--freeze").exit_code == 0
        asked = len(simulator.calls())
        pairs.write_text(pairs.read_text().replace("Essay 3.", "Essay three."))
        changed = canaries(runner, pairs)
        assert changed.exit_code == 1
        assert "frozen pairs are not in the file any more: begin anew with --freeze" in changed.stderr
        kept = json.loads(state.read_text())
        today = dt.datetime.now(dt.UTC).date().isoformat()
        for damaged in (
            [],
            {**kept, "frozen": {"a pair": "AAAA"}, "rounds": [{"day": today, "answers": {}}]},
            {**kept, "rounds": [{"day": today, "answers": {"another pair": "A"}}]},
        ):
            state.write_text(json.dumps(damaged))
            refused = canaries(runner, pairs)
            assert (refused.exit_code, "holds no state of canaries: " in refused.stderr) == (1, True)
        assert len(simulator.calls()) == asked
