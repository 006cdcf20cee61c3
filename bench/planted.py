"""What `roundbatch quality experiment` finds in judges whose faults are planted: a table of docs/quality.md.

    python -m bench.planted              # some minutes of one core; prints the table
    python -m bench.planted --write      # and puts it into docs/quality.md
    python -m bench.planted --pairs FILE # only writes the pairs that it asks, as `quality experiment` takes them

Each judge is a simulator of its own; everything goes over HTTP, as with a provider.
"""

import argparse
import itertools
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from typer.testing import CliRunner

from bench.judgement import PAGE, table
from cli.main import app
from demo.assignment import FOLDER, load
from demo.comparison import Place, body
from tests.harness.forked import forked_simulator

BEGIN, END = "<!-- computed by python -m bench.planted -->", "<!-- end of what is planted -->"
SIZES = (4, 8, 16, 32)
RUNS = 6
ALL_NOISE = {"judge_slope": 14.0, "retest": 1.0}
"""Two single answers of such a judge differ in about a tenth of these pairs."""
JUDGES: dict[str, dict[str, float]] = {
    "nothing": {},
    "bundles favour A": {"bundle_shift": 0.06},
    "bundles turn verdicts": {"bundle_noise": 0.005},
    "late slots favour A": {"slot_shift": 1.5},
    "whole bundles garbled": {"line_garbled": 0.1},
    "the order of A and B alone": {"position_bias": 0.8},
    "too sure": {"confidence_slope": 2.0},
}


def write_pairs(file: Path) -> None:
    """Every pair of 24 essays in both orders, 552 in all, by chance."""
    told = load(FOLDER / "better-future")
    place = Place("138", "3f8c1f4e-6f0a-4f5f-9a3e-0c7d1f9d2a11", 0, 12)
    bodies = [
        body(
            told,
            a,
            b,
            place=place,
            correlation_id=f"00000000-0000-4000-8000-{number:012}",
            callback_topic="results",
            provider="anthropic",
            model="claude-haiku-5-5",
            mode=None,
        )
        for number, (a, b) in enumerate(itertools.permutations(told.essays, 2))
    ]
    random.Random(1).shuffle(bodies)
    file.write_text("\n".join(map(json.dumps, bodies)) + "\n")


def experiment(pairs: Path, traits: Mapping[str, float], seed: int, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """One experiment on such a judge: what it reports, and what was planted."""
    with forked_simulator(seed=seed, **ALL_NOISE, **traits) as control:
        environment = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": control.base_url}
        html = str(pairs.with_name("experiment.html"))
        command = ["quality", "experiment", str(pairs), "--budget", "5", "--json", "--html", html, "--seed", str(seed)]
        done = CliRunner(env=environment).invoke(app, [*command, *options])
        if done.exit_code not in (0, 3, 4):
            raise RuntimeError(done.output)
        return json.loads(done.stdout), control.truth()["expected"]


def rows(pairs: Path) -> Iterator[list[str]]:
    """For each judge and size: planted and found means in points, how many intervals hold the planted value, and findings."""
    for number, (name, traits) in enumerate(JUDGES.items()):
        seeds = range(RUNS * number, RUNS * (number + 1))  # of its own: with the same, all judges draw the same single answers
        runs = [experiment(pairs, traits, seed, "--by", "batch") for seed in seeds]
        asked = fmean(told["found"]["singles"][0]["pairs"] for told, _ in runs)
        sys.stderr.write(f"{name}: {asked:.0f} pairs, ${fmean(told['spent_usd'] for told, _ in runs):.3f} each\n")
        for at, size in enumerate(SIZES):
            arms = [(told["found"]["arms"][at], truth["bundles"][str(size)]) for told, truth in runs]
            cells = []
            for measure in ("excess", "shift"):
                planted, found = (
                    fmean(100 * value for value in of)
                    for of in zip(*((truth[measure], arm[measure]["estimate"]) for arm, truth in arms), strict=True)
                )
                held = sum(arm[measure]["low"] <= truth[measure] <= arm[measure]["high"] for arm, truth in arms)
                cells += [f"{planted:+.1f} / {found:+.1f}", f"{held} of {len(arms)}"]
            findings = Counter(arm["finding"] for arm, _ in arms)
            yield [name, str(size), *cells, ", ".join(f"{n} {finding}" for finding, n in findings.most_common())]


def main() -> None:
    """The command."""
    asked = argparse.ArgumentParser(description="What an experiment finds in judges with planted faults.")
    asked.add_argument("--write", action="store_true", help="put the table into docs/quality.md")
    asked.add_argument("--pairs", type=Path, metavar="FILE", help="write the pairs that are asked, and nothing else")
    given = asked.parse_args()
    if given.pairs is not None:
        write_pairs(given.pairs)
        return
    with tempfile.TemporaryDirectory(prefix="roundbatch-planted-") as folder:
        pairs = Path(folder) / "pairs.jsonl"
        write_pairs(pairs)
        head = ["planted", "bundles of", "excess, planted / found", "held", "shift, planted / found", "held", "findings"]
        made = table(head, rows(pairs))
    sys.stdout.write(made + "\n")
    if given.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
