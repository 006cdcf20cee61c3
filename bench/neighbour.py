"""One account's limits, alone on it and beside a stranger, in virtual time; writes build/bench-neighbour.json.

    python -m bench.neighbour                    # a minute, no Kafka

The worker's own limiter against the simulator's buckets, an event at a time (tests/harness/limited_account.py): 1,000 calls of
1,300 to 2,900 tokens against 500 requests and 400,000 tokens a minute. The stranger wants 30 % of the tokens in bursts of 20 s
and does not ask again what was refused. Of three runs the worst is shown. `used` is the part of what the limits permit (of that
which the share permits, and the stranger left) that the worker had used when its last call was let in.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.limits import Limits
from tests.harness.limited_account import Play, Stranger, items

OUT = Path("build/bench-neighbour.json")
MEDIUM, SMALL = Limits(500, 400_000), Limits(50, 40_000)
TOLD = {"requests_per_minute": 500.0, "input_tokens_per_minute": 400_000.0}
SEEDS = 3


@dataclass(frozen=True)
class Case:
    """A scenario; the provider is Anthropic, whose headers tell of the start of a call, unless `at_end`."""

    calls: int = 1_000
    bundle: int = 1
    limits: Limits = MEDIUM
    configured: dict[str, float] = field(default_factory=dict)
    stranger: Stranger | None = None
    workers: int = 1
    at_end: bool = False


CASES = {
    "alone, limits told": Case(configured=TOLD),
    "alone, limits learnt": Case(),
    "alone, share 0.7": Case(700, configured={"limits_share": 0.7}),
    "stranger for 20 s of 60": Case(stranger=Stranger(pause_s=40)),
    "stranger for 20 s of 40": Case(stranger=Stranger(pause_s=20)),
    "stranger, headers of the end": Case(stranger=Stranger(), at_end=True),
    "stranger, bundles of 8": Case(125, bundle=8, stranger=Stranger()),
    "stranger, share 0.7": Case(700, stranger=Stranger(), configured={"limits_share": 0.7}),
    "stranger, two workers": Case(stranger=Stranger(), workers=2),
    "stranger, smallest account": Case(100, limits=SMALL, stranger=Stranger()),
}


def played(case: Case) -> dict[str, Any]:
    """The worst of the runs."""
    runs = [
        Play(
            "openai" if case.at_end else "anthropic",
            case.limits,
            items(case.calls, bundle=case.bundle, workers=case.workers, seed=seed),
            (1 / case.workers,) * case.workers,
            max_tokens=400 * case.bundle,
            at_end=case.at_end,
            configured=case.configured,
            stranger=case.stranger,
            seed=seed,
        ).run()
        for seed in range(SEEDS)
    ]
    asked = [max(1, len(run.strange_s) + len(run.strange_refused_s)) for run in runs]
    his = [len(run.strange_refused_s) / calls for run, calls in zip(runs, asked, strict=True)]
    return {
        "used": round(min(run.left_used for run in runs), 3),
        "refused": max(len(run.refused_s) for run in runs),
        "stranger_asked": max(asked) if case.stranger else 0,
        "stranger_refused": round(max(his), 3),
    }


def main() -> None:
    """Play all cases, print and write the figures."""
    figures = {name: played(case) for name, case in CASES.items()}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n")
    rows = ["| | used | our calls refused | his calls | of them refused |", "|---|---|---|---|---|"]
    for name, row in figures.items():
        his = f"{row['stranger_asked']} | {row['stranger_refused']:.1%}" if row["stranger_asked"] else "|"
        rows.append(f"| {name} | {row['used']:.3f} | {row['refused']} | {his} |")
    sys.stdout.write("\n".join(rows) + f"\nwritten to {OUT}\n")


if __name__ == "__main__":
    main()
