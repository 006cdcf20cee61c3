"""From measurements to figures: medians, spreads and ratios."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OUT = Path("build/bench.json")
MEASURED = ("rounds", "large_rounds", "singles")  # what a worker is measured on
KINDS = ("plain", *MEASURED)


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: `count` comparisons (for plain, 4 KB records) took `seconds`, and `cpu_s` of the measured process.

    Of the worker alone: memory in bytes before the first record, after the last result, and the most it ever was; and the
    seconds until all requests had been taken in.
    """

    kind: str
    count: int
    seconds: float
    cpu_s: float
    idle_bytes: int = 0
    end_bytes: int = 0
    peak_bytes: int = 0
    intake_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Comparisons a second."""
        return self.count / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time of one comparison, in microseconds: it moves less than per_s on a busy machine."""
        return self.cpu_s / self.count * 1e6


def report(samples: Iterable[Sample]) -> dict[str, Any]:
    """What build/bench.json holds. Ratios are of medians; ValueError where a kind was not measured."""
    by_kind: dict[str, list[Sample]] = {kind: [] for kind in KINDS}
    for sample in samples:
        by_kind[sample.kind].append(sample)
    missing = [kind for kind, found in by_kind.items() if not found]
    if missing:
        raise ValueError(f"not measured: {', '.join(missing)}")
    per_s = {kind: statistics.median(one.per_s for one in found) for kind, found in by_kind.items()}
    cpu_us = {kind: statistics.median(one.cpu_us for one in found) for kind, found in by_kind.items()}
    return {
        **{f"{kind}_vs_plain": round(per_s[kind] / per_s["plain"], 4) for kind in MEASURED},
        "cpu_times_plain": {kind: round(cpu_us[kind] / cpu_us["plain"], 1) for kind in MEASURED},
        "per_s": {kind: _spread([one.per_s for one in found]) for kind, found in by_kind.items()},
        "cpu_us": {kind: _spread([one.cpu_us for one in found]) for kind, found in by_kind.items()},
        "intake_per_s": {kind: _spread([one.count / one.intake_s for one in by_kind[kind]]) for kind in MEASURED},
        "resident_mib": {kind: _memory(by_kind[kind]) for kind in MEASURED},
        "samples": [asdict(one) for found in by_kind.values() for one in found],
    }


def add(figures: Mapping[str, Any]) -> None:
    """Put these into build/bench.json, beside what other benchmarks have written there."""
    told = json.loads(OUT.read_text()) if OUT.exists() else {}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({**told, **figures}, indent=1) + "\n")


def latencies(seconds: Iterable[float]) -> dict[str, float]:
    """How many there were, and in milliseconds their median, 95th and 99th percentile, and the longest; zeros without any."""
    ordered = sorted(seconds)
    if not ordered:
        return {"count": 0, "p50_ms": 0.0, "p95_ms": 0.0, "p99_ms": 0.0, "most_ms": 0.0}

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)

    return {"count": len(ordered), "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "most_ms": at(1.0)}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"least": round(min(values)), "median": round(statistics.median(values)), "most": round(max(values))}


def _memory(samples: Sequence[Sample]) -> Mapping[str, int]:
    fields = {name: [getattr(one, f"{name}_bytes") for one in samples] for name in ("idle", "end", "peak")}
    return {name: round(statistics.median(values) / 1024**2) for name, values in fields.items()}
