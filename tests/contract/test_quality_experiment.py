"""`roundbatch quality experiment` against simulated judges: the plan, the budget, and what it says of honest and bent ones."""

import itertools
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from simulator.control import SimulatorControl
from tests.harness.forked import forked_simulator
from tests.harness.requests import body

ESSAYS = 10


@contextmanager
def judged_by(**traits: float) -> Iterator[tuple[SimulatorControl, CliRunner]]:
    with forked_simulator(seed=5, judge_slope=14, retest=1.0, **traits) as control:
        environment = {
            "ANTHROPIC_API_KEY": "k",
            "ANTHROPIC_BASE_URL": control.base_url,
            "ROUNDBATCH_DEFAULT_PROVIDER": "anthropic",
            "ROUNDBATCH_ANTHROPIC__MAX_CONCURRENT_CALLS": "1",  # the judge's draws depend on the order in which it is asked
        }
        yield control, CliRunner(env=environment)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(2)
    file = tmp_path_factory.mktemp("experiment") / "pairs.jsonl"
    lines = [one_line(*rng.sample(pair, 2)) for pair in itertools.combinations(range(ESSAYS), 2)]
    unusable = {**one_line(0, 1), "prompt_blocks": None}
    file.write_text("\n".join(json.dumps(line) for line in (*lines, unusable)))
    return file


def one_line(a: int, b: int) -> dict[str, Any]:
    made = body("anthropic", callback_topic="results")
    for block, name, number in ((1, "A", a), (2, "B", b)):
        made["prompt_blocks"][block]["content"] = (
            f"**Essay {name} (ID: e{number}):**\nEssay {number}. [quality:{number / 9:.3f}]"
        )
    made["user_prompt"] = "\n\n".join(block["content"] for block in made["prompt_blocks"])
    return made


def experiment(runner: CliRunner, pairs: Path, *more: str) -> Result:
    return runner.invoke(app, ["quality", "experiment", str(pairs), "--html", str(pairs.with_suffix(".html")), *more])


def test_a_plan_asks_nothing(pairs: Path) -> None:
    with judged_by() as (simulator, runner):
        done = experiment(runner, pairs, "--plan", "--sizes", "4,8")
        assert simulator.calls() == []
    assert done.exit_code == 0, done.output
    assert "45 pairs at anthropic claude-haiku-5-5; 1 lines of the file are left out" in done.stderr
    for words in ("single answers: about $", "bundles of 8: about $", "all: about $", "the first 45 of them, about $"):
        assert words in done.stderr


@pytest.mark.parametrize("by", ["calls", "batch"])
def test_a_bent_judge_is_found(pairs: Path, by: str) -> None:
    with judged_by(bundle_shift=1.0) as (simulator, runner):
        done = experiment(runner, pairs, "--budget", "1", "--sizes", "6", "--by", by, "--json")
        ledger, truth = simulator.ledger(), simulator.truth()
    assert done.exit_code == 3, done.output
    told = json.loads(done.stdout)
    (arm,) = told["found"]["arms"]
    assert (arm["pairs"], arm["audits"], arm["missing"], arm["finding"]) == (45, 90, 0, "bent")
    assert arm["shift"]["low"] - 0.05 < truth["expected"]["bundles"]["6"]["shift"] < arm["shift"]["high"] + 0.05
    assert told["spent_usd"] == pytest.approx(ledger["cost_usd"])
    assert ledger["batches"] == (0 if by == "calls" else 3)  # of lines of 1, of 6, and of the 3 that are left
    page = pairs.with_suffix(".html").read_text()
    name = "Bundles of 6" if by == "calls" else "Bundles of 6 in batch jobs"
    assert f"{name} are bent: they favour Essay A by " in page
    assert "<svg" in page
    assert "Essay 3." not in page  # no text of an essay


def test_an_honest_judge_is_not_known_from_few_pairs_and_never_called_fine_for_lack_of_data(pairs: Path) -> None:
    with judged_by() as (_, runner):
        done = experiment(runner, pairs, "--budget", "1", "--sizes", "4")
    assert done.exit_code == 4, done.output
    assert "No size of bundle is shown fine for anthropic claude-haiku-5-5 yet." in done.stdout
    assert "Bundles of 4: not known yet from 45 pairs; about " in done.stdout


def test_with_a_wide_margin_it_is_shown_fine_and_the_setting_is_told(pairs: Path) -> None:
    with judged_by() as (_, runner):
        done = experiment(runner, pairs, "--budget", "1", "--sizes", "4", "--margin", "25")
    assert done.exit_code == 0, done.output
    assert "Bundles of 4 are shown fine" in done.stdout
    assert "The setting: ROUNDBATCH_ANTHROPIC__BUNDLE_SIZE=4\n" in done.stdout


def test_layouts_batch_jobs_and_reasons_first_are_compared_by_the_same_pairs(pairs: Path) -> None:
    layouts = ("--layouts", "verbatim,shared_essays", "--by", "both", "--arms", "justification_first")
    with judged_by(bundle_shift=2.0, reasons_first_slope=50.0) as (simulator, runner):
        done = experiment(runner, pairs, "--budget", "1", "--sizes", "4", *layouts, "--json")
        ledger, truth = simulator.ledger(), simulator.truth()
    assert done.exit_code == 3, done.output
    told = json.loads(done.stdout)
    assert told["spent_usd"] == pytest.approx(ledger["cost_usd"])
    arms = {(arm["way"]["size"], arm["way"]["layout"], arm["way"]["batch"]): arm for arm in told["found"]["arms"]}
    bundles = [arm for (size, _, _), arm in arms.items() if size == 4]
    assert [arm["finding"] for arm in bundles] == ["bent"] * 4
    assert {(arm["pairs"], arm["audits"]) for arm in bundles} == {(45, 90)}
    assert {arm["slots"]["late_pairs"] for arm in bundles} == {arms[4, "verbatim", False]["slots"]["late_pairs"]}
    # What was asked for is what was written: of each layout, by calls and in batch jobs, twice eleven bundles.
    assert sorted(((way["layout"], sent) for way, sent in told["sent_as"]), key=str) == [
        *[("shared_essays", {"shared_essays": 22})] * 2,
        *[("verbatim", {"verbatim": 22})] * 2,
    ]
    singles = told["found"]["singles"]
    assert [(one["way"]["batch"], one["way"]["reasons_first"]) for one in singles] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    assert [one["pairs"] for one in singles] == [45] * 3
    # Asked with its reasons first, this judge is hardly ever unsure: it must have been asked so.
    assert singles[2]["retest"]["estimate"] <= 0.05
    assert truth["expected"]["reasons_first"]["retest"] < 0.01 < truth["expected"]["retest"]
    alone, *of_bundles = told["found"]["contrasts"]
    assert alone["batch"]["size"] == 1
    assert len(of_bundles) == 2
    # Bundles are bent alike in both. (A judge's draws depend on what is asked first, and batch jobs and calls go at once.)
    assert all(one["shift"]["low"] < 0.1 and one["shift"]["high"] > -0.1 for one in (alone, *of_bundles))
    page = pairs.with_suffix(".html").read_text()
    for words in ("Batch jobs against calls", "Shift by slot", "Stated confidence", "single answers (reasons first)"):
        assert words in page


def test_a_pilot_tells_how_noisy_the_judge_is_and_how_many_pairs_it_takes(pairs: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text("\n".join([pairs.read_text()] * 4))
    with judged_by() as (_, runner):
        done = experiment(runner, more, "--budget", "1", "--sizes", "4", "--by", "batch", "--margin", "15")
    assert done.exit_code == 0, done.output
    assert "100 of 180 pairs asked, $" in done.stderr
    said = re.search(
        r"two single answers to the same pair differ in ([\d.]+) of 100 .* about (\d+) pairs bring every", done.stderr
    )
    assert said is not None
    assert 3 < float(said[1]) < 40
    assert "for $" in done.stderr


def test_it_stops_at_its_budget(pairs: Path) -> None:
    with judged_by() as (simulator, runner):
        done = experiment(runner, pairs, "--budget", "0.003", "--sizes", "8")
        spent = simulator.ledger()["cost_usd"]
    assert 0.001 < spent <= 0.003
    assert "the budget of $0.0030 is enough for about" in done.stderr


def test_a_model_that_costs_nothing_is_asked_all_pairs(pairs: Path) -> None:
    with judged_by() as (simulator, runner):
        free = {"ROUNDBATCH_ANTHROPIC__INPUT_USD_PER_MTOK": "0", "ROUNDBATCH_ANTHROPIC__OUTPUT_USD_PER_MTOK": "0"}
        runner.env = {**runner.env, **free}
        done = experiment(runner, pairs, "--budget", "1", "--sizes", "16", "--by", "batch")
        assert done.exit_code == 4, done.output
        assert simulator.ledger()["batches"] > 0
    assert "45 of 45 pairs asked, $0.0000 spent" in done.stderr


def test_rows_of_a_batch_that_come_twice_or_under_other_ids_do_not_matter(pairs: Path) -> None:
    with judged_by() as (simulator, runner):
        at = {"GOOGLE_API_KEY": "k", "ROUNDBATCH_GOOGLE__BASE_URL": simulator.base_url}
        runner.env = {**runner.env, **at}
        file = pairs.with_name("google.jsonl")
        file.write_text(pairs.read_text().replace('"anthropic"', '"google"'))
        simulator.faults({"fault": "doubled", "next": 1}, {"fault": "unknown_key", "next": 1})
        done = experiment(runner, file, "--budget", "1", "--sizes", "16", "--by", "batch", "--json")
    assert done.exit_code == 4, done.output
    assert sum(json.loads(done.stdout)["failed"].values()) == 0


def test_what_cannot_be_asked_is_said(pairs: Path, tmp_path: Path) -> None:
    with judged_by() as (simulator, runner):
        assert "say how much at most, in USD, as --budget 0.50" in experiment(runner, pairs).output
        assert "give sizes of 2 to 64" in experiment(runner, pairs, "--plan", "--sizes", "1,8").output
        assert "'dense' is not known; known are" in experiment(runner, pairs, "--plan", "--layouts", "dense").output
        assert "known are justification_first" in experiment(runner, pairs, "--plan", "--arms", "none").output
        assert "must be calls, batch or both" in experiment(runner, pairs, "--plan", "--by", "post").output
        empty = tmp_path / "none.jsonl"
        empty.write_text("")
        nothing = experiment(runner, empty, "--plan")
        assert nothing.exit_code == 1
        assert "is a pair that can be asked both ways" in nothing.stderr
        simulator.faults(fault="invalid", rate=1.0)
        unusable = experiment(runner, pairs, "--budget", "1", "--sizes", "8")
        assert (unusable.exit_code, "no answer can be used" in unusable.stderr) == (1, True)
        simulator.faults(fault="status", rate=1.0, status=401)
        refused = experiment(runner, pairs, "--budget", "1", "--sizes", "8")
    assert refused.exit_code == 1
    assert "nothing could be asked: " in refused.stderr
