"""One account's limits, alone on it and beside a stranger; writes build/bench-neighbour.json.

    python -m bench.neighbour                    # in virtual time: a minute, no Kafka
    python -m bench.neighbour --http             # over HTTP in real time, into build/bench-neighbour-http.json: seven minutes
    python -m bench.neighbour --http --minute 15 # the same four times as fast, where nothing else runs

In virtual time: the worker's own limiter against the simulator's buckets, an event at a time
(tests/harness/limited_account.py): 1,000 calls of 1,300 to 2,900 tokens against 500 requests and 400,000 tokens a minute. The
stranger wants 30 % of the tokens in bursts of 20 s and does not ask again what was refused. Of three runs the worst is shown.
`used` is the part of what the limits permit (of that which the share permits, and the stranger left) that the worker had used
when its last call was let in.

Over HTTP: the real SDKs, adapters and limiter, each scene at a simulator process of its own, the stranger a process too; one
run, of all scenes at the same time (tests/harness/limited_http.py). The limits' minute lasts as long as `--minute` says, and
the time that calls take and the stranger's bursts are as much shorter or longer.
"""

import argparse
import asyncio
import json
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simulator.control import SimulatorControl
from simulator.limits import Limits
from tests.harness.forked import Forked, forked_simulator
from tests.harness.limited_account import Play, Stranger, items
from tests.harness.limited_http import Scene, Shown, be_the_stranger, ours, worker

OUT, OUT_HTTP = Path("build/bench-neighbour.json"), Path("build/bench-neighbour-http.json")
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

SCENES = {
    "Anthropic, alone": Scene("anthropic", 1_000, MEDIUM),
    "Anthropic, stranger for 20 s of 60": Scene("anthropic", 1_000, MEDIUM, Stranger(pause_s=40)),
    "OpenAI, stranger for 20 s of 40, headers of the end": Scene("openai", 1_000, MEDIUM, Stranger(pause_s=20), at_end=True),
    "OpenAI, smallest account, alone, headers of the end": Scene("openai", 100, SMALL, at_end=True),
    "Anthropic, smallest account, stranger": Scene("anthropic", 100, SMALL, Stranger()),
    "OpenAI, smallest account, stranger, headers of the end": Scene("openai", 100, SMALL, Stranger(), at_end=True),
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


async def over_http(scene: Scene, simulator: SimulatorControl) -> Shown:
    """One scene in real time."""
    async with worker(scene, simulator.base_url) as account:
        stranger = Forked(be_the_stranger, scene, simulator.base_url) if scene.stranger is not None else None
        tokens = await ours(scene, account)
        if stranger is not None:
            stranger.send_signal(signal.SIGTERM)
    calls, paid = await asyncio.gather(asyncio.to_thread(simulator.calls), asyncio.to_thread(simulator.items))
    return Shown.by(scene, calls, paid, tokens)


async def all_over_http(minute_s: float) -> dict[str, dict[str, Any]]:
    """All scenes at the same time."""
    scenes = [replace(scene, limits=replace(scene.limits, minute_s=minute_s)) for scene in SCENES.values()]
    with ExitStack() as stack:
        simulators = [stack.enter_context(forked_simulator(**scene.simulated)) for scene in scenes]
        shown = await asyncio.gather(*map(over_http, scenes, simulators))
    return {
        name: {
            "used": round(one.used, 3),
            "refused": one.refused,
            "stranger_asked": one.his_calls,
            "stranger_refused": round(one.his_refused / max(1, one.his_calls), 3),
        }
        for name, one in zip(SCENES, shown, strict=True)
    }


def main() -> None:
    """Play all cases, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--http", action="store_true", help="over HTTP, in real time")
    parser.add_argument("--minute", type=float, default=60.0, metavar="S", help="seconds of the limits' minute over HTTP (60)")
    told = parser.parse_args()
    if told.http:
        figures, out = asyncio.run(all_over_http(told.minute)), OUT_HTTP
    else:
        figures, out = {name: played(case) for name, case in CASES.items()}, OUT
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n")
    rows = ["| | used | our calls refused | his calls | of them refused |", "|---|---|---|---|---|"]
    for name, row in figures.items():
        his = f"{row['stranger_asked']} | {row['stranger_refused']:.1%}" if row["stranger_asked"] else "|"
        rows.append(f"| {name} | {row['used']:.3f} | {row['refused']} | {his} |")
    sys.stdout.write("\n".join(rows) + f"\nwritten to {out}\n")


if __name__ == "__main__":
    main()
