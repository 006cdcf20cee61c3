"""What runs came to: build/chaos.json, and words for whoever reads the terminal."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.storm.run import Outcome
from tests.chaos.storm.schedule import CRASH_POINT, Armings

DEEDS = ("wipe", "freeze", "twin", "term", "join", "leave", "broker_kill", "disk_full", "clock_jump")
_PLURAL = {"term": "terms", "disk_full": "disk_full"}


def totals(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All runs added up, and each by itself under `runs`."""
    runs = [_one(outcome) for outcome in outcomes]
    told: dict[str, Any] = {"seeds": [outcome.seed for outcome in outcomes]}
    for run in runs:
        for name, value in run.items():
            if name in ("seed", "brokers", "broken"):
                continue
            if isinstance(value, dict):
                told[name] = dict(sorted((Counter(told.get(name, {})) + Counter()).items()))
                for key, count in value.items():
                    told[name][key] = told[name].get(key, 0) + count
            else:
                told[name] = round(told.get(name, 0) + value, 1)
    return {**told, "broken": [text for run in runs for text in run["broken"]], "runs": runs}


def _one(outcome: Outcome) -> dict[str, Any]:
    deeds = outcome.tally.deeds
    return {
        "seed": outcome.seed,
        "minutes": outcome.minutes,
        "brokers": outcome.brokers,
        "kills": deeds["kill"] + deeds["wipe"] + deeds[CRASH_POINT],
        **{_PLURAL.get(name, f"{name}s"): deeds[name] for name in DEEDS},
        "slow_network": deeds["slow_network"],
        "gateway_kills": deeds["gateway_kill"],
        "batches_held": deeds["hold"],
        "cancels": deeds["cancel"],
        "limits": deeds["limit"],
        "provider_clocks": deeds["provider_clock"],
        "terms_not_obeyed": deeds["term_not_obeyed"],
        "crash_points": outcome.crash_points,
        **asdict(outcome.counts),
        "exits": dict(outcome.tally.exits),
        "drained_s": round(outcome.drained_s, 1),
        "lasted_s": round(outcome.lasted_s, 1),
        "broken": [str(one) for one in outcome.broken],
    }


def write(outcomes: Sequence[Outcome], path: Path) -> dict[str, Any]:
    """Write the JSON, also after each of several runs."""
    told = totals(outcomes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=2) + "\n")
    return told


def words(outcome: Outcome) -> str:
    """A run in a few lines; where a promise broke, which, about what, and where to look."""
    told = _one(outcome)
    counts = outcome.counts
    few = [name for name, count in outcome.crash_points.items() if count < Armings.FEW]
    lines = [
        f"seed {outcome.seed}: {told['kills']} kills ({told['wipes']} with the state wiped, "
        f"{sum(outcome.crash_points.values())} at crash points), {told['freezes']} freezes, "
        f"{told['broker_kills']} broker kills, {told['disk_full']} full disks, {told['slow_network']} bad networks",
        f"  {counts.requested} requested, {counts.accepted} accepted ({counts.accepted_by_gateway} by the gateway), "
        f"{counts.answered} answered, errors {counts.errors}",
        f"  missing {counts.missing}, conflicting {counts.conflicting}, wrong {counts.wrong_answers}, batch items paid twice "
        f"{counts.batch_items_paid_twice} of {counts.batch_items_paid}; sent again (same bytes) {counts.duplicates_identical}, "
        f"calls repeated {counts.sync_calls_repeated} of {counts.call_items_paid}, orphans {counts.orphans} of "
        f"{counts.batches} batches, items of audits {counts.shadow_items_paid}",
        f"  exits {told['exits']}, drained in {outcome.drained_s:.0f} s",
    ]
    if few:
        lines.append(f"  crash points that killed fewer than {Armings.FEW} times: {', '.join(few)}")
    if outcome.broken:
        lines += [f"BROKEN {one}" for one in outcome.broken[:20]]
        lines.append(f"{len(outcome.broken)} promises broken; logs, topics, ledger and schedule: {outcome.folder}")
    return "\n".join(lines)
