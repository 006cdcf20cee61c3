"""What a cluster of workers does with a night of comparisons, on paper: what is used of what there is, and what breaks first.

    python -m bench.capacity [--workers 4] [--partitions 16] [--comparisons 10000000] [--provider anthropic] [--calls] [--json]

Arithmetic alone: every cost is multiplied out, nothing is run. Costs of the worker are read from build/bench.json where
bench.throughput has written it, otherwise they are those of docs/performance.md. All comparisons of the night are taken to come
at once, as under `nightly`, so all of them are pending at its beginning.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.figures import OUT
from domain.reply import Usage
from providers.prices import LISTED

MIB, GIB = 1024**2, 1024**3
HOUR_S = 3_600.0


@dataclass(frozen=True)
class Costs:
    """What a comparison costs a worker, as published in docs/performance.md, but for what is said to be estimated."""

    cpu_us: float = 675.0  # in rounds ("Figures")
    window_ms: float = 3.1  # of sending and reading a batch: 20,000 in 62 s, the slower provider ("A large window")
    idle_bytes: float = 112 * MIB  # of a worker before its first record ("Figures")
    pending_bytes: float = 259.0  # in memory ("A rebuild")
    rebuild_us: float = 12.8  # of a pending one: 2.55 s for 200,000 ("A rebuild")
    done_bytes: float = 530.0  # on disk for the dedup retention: 130 of index rows ("A rebuild"), the entries estimated
    work_bytes: float = 650.0  # plan, outcome and end in the work topic, estimated from a plan of 30 and an answer of 600 bytes
    result_bytes: float = 1_734.0  # an event as CJ's own example
    busy: float = 0.7  # how much of a core is planned with
    source: str = "docs/performance.md"

    @classmethod
    def read(cls, path: Path = OUT) -> "Costs":
        """With what bench.throughput measured on this machine, where it has."""
        measured = json.loads(path.read_text()) if path.exists() else {}
        if "cpu_us" not in measured:  # other benchmarks write into the file too
            return cls()
        return cls(
            cpu_us=float(measured["cpu_us"]["rounds"]["median"]),
            idle_bytes=float(measured["resident_mib"]["rounds"]["idle"]) * MIB,
            source=f"{path}, docs/performance.md",
        )


@dataclass(frozen=True)
class Night:
    """What is asked. Tokens are those of a comparison of the recorded workload, of which a bundle saves nothing."""

    comparisons: int = 10_000_000
    hours: float = 8.0
    round_size: int = 12
    prompt_bytes: int = 4_096
    input_tokens: int = 2_130
    output_tokens: int = 70
    bundle: int = 1  # comparisons in a line or call

    @property
    def lines(self) -> int:
        """Lines of batches, or calls."""
        return math.ceil(self.comparisons / self.bundle)

    @property
    def seconds(self) -> float:
        """Until the morning."""
        return self.hours * HOUR_S


@dataclass(frozen=True)
class Cluster:
    """What there is. Memory, disk and MAX_PENDING_BYTES of a worker are the defaults of chart and settings."""

    workers: int = 4
    partitions: int = 16
    memory_bytes: float = 3 * GIB
    disk_bytes: float = 10 * GIB
    max_pending_bytes: float = 2 * GIB
    retention_days: float = 9.0
    brokers: int = 3
    replication: int = 3
    broker_bytes_per_s: float = 50e6  # assumed: a small broker's disk and network
    restart_s: float = 60.0  # assumed: what a restart may take before others are alarmed

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= self.partitions:
            raise ValueError(
                f"workers={self.workers}, partitions={self.partitions}: a partition is one worker's, so more workers than "
                "partitions would have nothing to do; at least one is needed"
            )

    @property
    def most_partitions(self) -> int:
        """Of one worker."""
        return math.ceil(self.partitions / self.workers)

    @property
    def largest_part(self) -> float:
        """The part of all comparisons that the worker with the most partitions has."""
        return self.most_partitions / self.partitions


@dataclass(frozen=True, slots=True)
class Account:
    """One provider account; None: no such limit, or not published. Batches and calls have limits of their own."""

    provider: str
    model: str
    queue_lines: float | None = None
    queue_tokens: float | None = None
    batch_hours: float = 1.0  # assumed: what a batch takes; providers promise 24
    requests_per_minute: float = 4_000.0
    tokens_per_minute: float = 4_000_000.0


ACCOUNTS = {
    # docs/providers.md: the smallest tier may queue 200,000 lines
    "anthropic": Account("anthropic", "claude-haiku-5-5", queue_lines=200_000.0),
    # enqueued tokens by model and tier: told on the account's page alone, so this is an assumption
    "openai": Account("openai", "gpt-6-luna", queue_tokens=2_000_000_000.0),
    # docs/providers.md: in tier 1 a model's queue takes 3 to 50 million tokens
    "google": Account("google", "gemini-3.8-flash", queue_tokens=50_000_000.0),
}


class Mode(StrEnum):
    """How it is sent."""

    BATCH = "batch"
    CALLS = "calls"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that is used: so much is wanted of so much that there is, and what to do where that is too little."""

    what: str
    wanted: float
    there_is: float
    unit: str
    then: str
    fixed: float = 0.0  # of `wanted`: what is used without any comparison

    @property
    def used(self) -> float:
        """Above 1 it breaks."""
        return self.wanted / self.there_is

    @property
    def times(self) -> float:
        """How many times the comparisons there is enough for."""
        return max(0.0, self.there_is - self.fixed) / (self.wanted - self.fixed)


def needs(night: Night, cluster: Cluster, account: Account, costs: Costs, mode: Mode = Mode.BATCH) -> list[Need]:
    """All that is used, the tightest first: the first one breaks first."""
    found = [*_of_worker(night, cluster, costs, mode), _of_kafka(night, cluster, costs), *_of_account(night, account, mode)]
    return sorted(found, key=lambda need: need.used, reverse=True)


def _of_worker(night: Night, cluster: Cluster, costs: Costs, mode: Mode) -> list[Need]:
    mine = night.comparisons * cluster.largest_part
    on_disk = mine * (night.prompt_bytes + 300)
    more = "more workers, and partitions for them (their number is permanent: choose it before the first record)"
    by_batch = [Need("batches sent and read by a worker", mine * costs.window_ms / 1e3 / HOUR_S, night.hours, "h", more)]
    return [
        *(by_batch if mode is Mode.BATCH else ()),
        Need("processor of a worker", mine * costs.cpu_us / 1e6 / HOUR_S, night.hours * costs.busy, "h", more),
        Need(
            "memory of a worker",
            (costs.idle_bytes + mine * costs.pending_bytes) / GIB,
            cluster.memory_bytes / GIB,
            "GiB",
            "a larger memory limit, or more workers; or ask in several nightly windows (NIGHTLY_CRON by the hour)",
            costs.idle_bytes / GIB,
        ),
        Need(
            "unanswered requests of a worker",
            on_disk / GIB,
            cluster.max_pending_bytes / GIB,
            "GiB",
            "nothing is lost: intake pauses and goes on as answers come. Raise MAX_PENDING_BYTES as far as the disk has room",
        ),
        Need(
            "disk of a worker (RocksDB)",
            (on_disk + mine * costs.done_bytes * cluster.retention_days) / GIB,
            cluster.disk_bytes / GIB,
            "GiB",
            "a larger volume, or more workers",
        ),
        Need(
            "restart with all of it pending",
            mine * costs.rebuild_us / 1e6,
            cluster.restart_s,
            "s",
            "more workers and partitions: each then reads less; or a name for each worker, with a longer session",
        ),
    ]


def kafka_bytes(night: Night, costs: Costs) -> float:
    """What is written of a comparison, before replication: it comes with each prompt twice, and is kept with each once."""
    request = 2 * night.prompt_bytes + 300
    return request + (night.prompt_bytes + 300) + 2 * costs.work_bytes + costs.result_bytes


def kafka_records(night: Night) -> float:
    """Records of a comparison: its result, and its part of the round's and of chunks of 50 outcomes, with their entries."""
    return 1.0 + 5.0 / night.round_size + 2.0 / 50.0


def _of_kafka(night: Night, cluster: Cluster, costs: Costs) -> Need:
    written = night.comparisons * kafka_bytes(night, costs) * cluster.replication / cluster.brokers
    return Need(
        "writes of a broker",
        written / night.seconds / 1e6,
        cluster.broker_bytes_per_s / 1e6,
        "MB/s",
        "more brokers, or compression at the producer of the requests",
    )


def _of_account(night: Night, account: Account, mode: Mode) -> list[Need]:
    tokens = night.comparisons * night.input_tokens
    if mode is Mode.CALLS:
        minutes = night.hours * 60.0
        then = "a higher tier, a second account in a cluster of its own, bundles, or batches, which have limits of their own"
        return [
            Need("requests a minute", night.lines / minutes, account.requests_per_minute, "/min", then),
            Need("input tokens a minute", tokens / minutes / 1e6, account.tokens_per_minute / 1e6, "M/min", then),
        ]
    turns = night.hours / account.batch_hours  # how often the queue is worked off
    then = "a higher tier (ask the provider), a second account in a cluster of its own, a longer night"
    found = []
    if account.queue_lines is not None:
        fewer = f"{then}, or several comparisons in a line (BATCH_BUNDLE_SIZE)"
        found.append(Need("batch queue, lines", night.lines / 1e6, account.queue_lines * turns / 1e6, "M", fewer))
    if account.queue_tokens is not None:
        found.append(Need("batch queue, tokens", tokens / 1e9, account.queue_tokens * turns / 1e9, "G", then))
    return found


def usd(night: Night, account: Account, mode: Mode) -> float | None:
    """What the provider charges by the price list; None: it does not know the model."""
    one = LISTED.cost_usd(
        account.provider, account.model, Usage(night.input_tokens, night.output_tokens), batch=mode is Mode.BATCH
    )
    return None if one is None else one * night.comparisons


def report(night: Night, cluster: Cluster, account: Account, costs: Costs, mode: Mode = Mode.BATCH) -> dict[str, Any]:
    """All figures, for --json."""
    found = needs(night, cluster, account, costs, mode)
    first = found[0]
    return {
        "night": asdict(night),
        "cluster": asdict(cluster),
        "account": asdict(account),
        "costs": asdict(costs),
        "mode": mode.value,
        "per_s": night.comparisons / night.seconds,
        "records": night.comparisons * kafka_records(night),
        "kafka_bytes": night.comparisons * kafka_bytes(night, costs),
        "usd": usd(night, account, mode),
        "needs": [{**asdict(need), "used": need.used} for need in found],
        "breaks_first": first.what,
        "holds_until": int(night.comparisons * first.times),
    }


def text(figures: Mapping[str, Any]) -> str:
    """The report as a table in Markdown."""
    night, cluster, account = figures["night"], figures["cluster"], figures["account"]
    cost = "price not known" if figures["usd"] is None else f"{figures['usd']:,.0f} USD"
    lines = [
        f"{night['comparisons']:,} comparisons in {night['hours']:g} h ({figures['per_s']:,.0f} a second), "
        f"{cluster['workers']} workers, {cluster['partitions']} partitions, {figures['mode']} at {account['provider']} "
        f"({account['model']}), {night['bundle']} in a line: {cost}, {figures['records'] / 1e6:,.1f} million records, "
        f"{figures['kafka_bytes'] / 1e9:,.0f} GB in Kafka before replication.",
        "",
        "| what | wanted | there is | used |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {need['what']} | {need['wanted']:,.1f} {need['unit']} | {need['there_is']:,.1f} {need['unit']} "
        f"| {need['used']:.0%} |"
        for need in figures["needs"]
    ]
    first = figures["needs"][0]
    when = "too little already" if first["used"] > 1 else "the first to break"
    lines += ["", f"{first['what']}: {when}, enough for {figures['holds_until']:,} comparisons. Then: {first['then']}."]
    return "\n".join(lines) + "\n"


app = typer.Typer(add_completion=False)


@app.command()
def main(
    comparisons: Annotated[int, typer.Option(min=1, help="Comparisons of the night.")] = Night.comparisons,
    hours: Annotated[float, typer.Option(min=0.1, help="Hours of the night.")] = Night.hours,
    workers: Annotated[int, typer.Option(min=1, help="Workers, of one core each.")] = Cluster.workers,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions.")] = Cluster.partitions,
    provider: Annotated[str, typer.Option(help=f"One of {', '.join(ACCOUNTS)}.")] = "anthropic",
    bundle: Annotated[int, typer.Option(min=1, help="Comparisons in a line or a call.")] = Night.bundle,
    calls: Annotated[bool, typer.Option("--calls", help="Calls instead of batches.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Print what is used of what there is, the tightest first, and what to do when that breaks."""
    if provider not in ACCOUNTS:
        raise typer.BadParameter(f"{provider!r} is not one of {', '.join(ACCOUNTS)}", param_hint="--provider")
    try:
        cluster = Cluster(workers, partitions)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--workers") from error
    night = Night(comparisons, hours, bundle=bundle)
    figures = report(night, cluster, ACCOUNTS[provider], Costs.read(), Mode.CALLS if calls else Mode.BATCH)
    typer.echo(json.dumps(figures, indent=1) if as_json else text(figures), nl=as_json)


if __name__ == "__main__":
    app()
