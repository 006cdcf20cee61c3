"""`make compare`: every case by the model, some for real on a real Kafka, into build/compare.json and build/compare.html.

    python -m bench.compare [--model-only]

Exit code 1 where a comparison was not answered, or the model and a real run differ by more than a tenth.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from bench.compare import model, pairs, runs, table
from bench.compare.case import Case, all_cases
from bench.compare.real import Place
from bench.compare.row import Row
from tests.brokers import running_kafka

OUT = Path("build")


def main(model_only: bool) -> int:
    """Fill all rows and write them."""
    began_s = time.monotonic()
    folder = OUT / "compare"
    shutil.rmtree(folder, ignore_errors=True)
    ideal_s: dict[Case, float] = {}
    rows: list[Row] = []
    for case in all_cases():
        rows.append(model.play(case))
        ideal_s[case] = rows[-1].ideal_s
    _say(f"{len(rows)} rows by the model in {time.monotonic() - began_s:.0f} s")
    if not model_only:
        with running_kafka() as bootstrap:
            kafka = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "ROUNDBATCH_PARTITIONS": "2"}
            place = Place(bootstrap, kafka, {}, os.environ, folder)
            for run in runs.RUNS:
                rows += runs.simulated(run, place, ideal_s.__getitem__)
                for pair in pairs.paired(rows)[-len(run.cases) :]:
                    _say(_line(pair))
    table.write(rows, OUT / "compare.json")
    missing = [row for row in rows if row.answered != row.comparisons]
    apart = [pair for pair in pairs.paired(rows) if not pair.agrees]
    _say(f"{OUT / 'compare.json'}: {len(rows)} rows, {sum(not row.simulated for row in rows)} real")
    _say(f"{time.monotonic() - began_s:.0f} s; {len(missing)} rows with answers missing, {len(apart)} far from the model")
    return 1 if missing or apart else 0


def _line(pair: pairs.Pair) -> str:
    row = pair.real
    way = " ".join(filter(None, (row.strategy, row.layout and f"{row.bundle_size} {row.layout}", row.account, row.workload)))
    return (
        f"{way} at {row.provider}: {row.answered} of {row.comparisons} answered in {row.makespan_s:,.0f} s "
        f"(model {pair.model.makespan_s:,.0f}: {pair.difference:+.1%}; ideal {row.ideal_s:,.0f}: "
        f"{row.ideal_s / row.makespan_s:.3f}), {row.http_operations} operations, {row.calls_429} of 429, ${row.cost_usd:.4f}"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__.partition("\n")[0])
    parser.add_argument("--model-only", action="store_true", help="only the rows of the model: a minute, without Kafka")
    sys.exit(main(parser.parse_args().model_only))
