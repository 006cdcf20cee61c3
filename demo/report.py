"""What came out of a demo: numbers, and the recovered ranking beside the hidden one as a table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from demo.cj_batch import CJBatch
from demo.sending import Sending


@dataclass(frozen=True, slots=True)
class Report:
    """The content of `demo.json`. HTTP operations and input tokens are what the simulator
    counted, costs are in USD; rank_correlation is Spearman's, the lowest of the assignments' that were judged and not answered
    by the mock. cj: "http" or "topic", how the CJ service asked. by_provider: comparisons answered."""

    strategy: str
    layout: str
    cj: str
    requested: int
    answered: int
    by_provider: dict[str, int]
    missing: int
    duplicates: int
    errors: int
    rounds: int
    batch_jobs: int
    http_operations: int
    input_tokens: int
    cost_usd: float
    cost_single_usd: float
    rank_correlation: float
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether every comparison asked for was answered, once."""
        return self.requested > 0 and not self.missing and not self.duplicates

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True, slots=True)
class Standing:
    """One essay's places, counted from 1 for the best, and its comparisons won and asked."""

    essay: str
    quality: float
    place: int
    hidden_place: int
    won: int
    compared: int


def make(batches: Sequence[CJBatch], ledger: Mapping[str, Any], seconds: float, sending: Sending) -> Report:
    """Sum up all batches and the simulator's bill."""
    return Report(
        strategy=sending.strategy,
        layout=sending.layout,
        cj="http" if sending.http else "topic",
        requested=sum(batch.requested for batch in batches),
        answered=sum(batch.answered for batch in batches),
        by_provider={batch.route.provider: batch.answered for batch in batches},
        missing=sum(len(batch.missing) for batch in batches),
        duplicates=sum(batch.duplicates for batch in batches),
        errors=sum(batch.errors for batch in batches),
        rounds=sum(batch.round for batch in batches),
        batch_jobs=int(ledger["batches"]),
        http_operations=int(ledger["http_operations"]),
        input_tokens=int(ledger["input_tokens"]),
        cost_usd=round(float(ledger["cost_usd"]), 6),
        cost_single_usd=round(float(ledger["cost_single_usd"]), 6),
        rank_correlation=round(min(batch.rank_correlation() for batch in batches if batch.route.judges), 4),
        seconds=round(seconds, 1),
    )


def standings(batch: CJBatch) -> list[Standing]:
    """All essays of a batch, best first by what the answers say."""
    essays = batch.assignment.essays
    places = rankdata(-batch.scores(), method="ordinal")
    hidden = rankdata([-essay.quality for essay in essays], method="ordinal")
    rows = [
        Standing(
            essay=essay.name,
            quality=essay.quality,
            place=int(places[index]),
            hidden_place=int(hidden[index]),
            won=sum(winner == index for winner, _ in batch.verdicts),
            compared=sum(index in pair for pair in batch.verdicts),
        )
        for index, essay in enumerate(essays)
    ]
    return sorted(rows, key=lambda row: row.place)


def print_tables(batches: Sequence[CJBatch], console: Console) -> None:
    """Print each batch's ranking; places off by more than two stand out."""
    beside = Table.grid(padding=(0, 4))
    tables = []
    for batch in batches:
        table = Table(title=f"{batch.assignment.title}\n{batch.route.model}", title_style="bold", box=SIMPLE_HEAD)
        for name in ("place", "essay", "hidden", "won"):
            table.add_column(name, justify="right")
        for row in standings(batch):
            off = abs(row.place - row.hidden_place)
            style = "" if off <= 2 else "yellow" if off <= 4 else "red"
            table.add_row(
                str(row.place),
                row.essay,
                f"{row.hidden_place} ({row.quality:.2f})",
                f"{row.won}/{row.compared}",
                style=style,
            )
        tables.append(table)
    for first in range(0, len(tables), 2):
        beside.add_row(*tables[first : first + 2])
    console.print(beside)


def print_missing(batches: Sequence[CJBatch], console: Console) -> None:
    """Name the comparisons that were not answered, or more than once."""
    for batch in batches:
        if batch.missing:
            shown = ", ".join(batch.missing[:5]) + (", …" if len(batch.missing) > 5 else "")
            console.print(
                f"{batch.route.provider}: {len(batch.missing)} of {batch.requested} comparisons missing in round {batch.round} "
                f"of {batch.rounds}: {shown}",
                style="red",
            )
        if batch.duplicates:
            console.print(f"{batch.route.provider}: {batch.duplicates} results came more than once", style="red")


def print_judgement(batch: CJBatch, told: Sequence[str], console: Console) -> None:
    """Print what the answers say of a ranking, and the command that says it of any."""
    console.print(f"\n{batch.assignment.title}, {batch.route.model}: how far its ranking can be trusted", style="bold")
    for sentence in told:
        console.print(f"- {sentence}", markup=False)
    console.print(f"(roundbatch quality --batch {batch.cj_batch_id}, while its Kafka runs)", style="dim")


def print_judges(told: Sequence[str], console: Console) -> None:
    """Print what the audits say of the judges."""
    console.print("\nthe judges, by audits (roundbatch quality)", style="bold")
    for sentence in told:
        console.print(f"- {sentence}", markup=False)


def print_not_audited(console: Console) -> None:
    """Print that nothing is known of the judges."""
    console.print(
        "\nWhether bundles bend the judge is not known, for nothing was audited: add AUDIT=10 (without make: --audit 10). The "
        "rankings above show the order of the essays at work, and not whether a bundle does it.",
        markup=False,
    )


def planted(judging: Sequence[str], expected: Mapping[str, Any]) -> str:
    """What the simulated judge was told to be, and what that comes to on average over the pairs that it was asked."""
    said = [f"planted in the judge: {' '.join(judging)}"]
    if expected:
        said.append(
            f"two single answers differ in {100 * expected['retest']:.1f} of 100, position bias "
            f"of single answers {_signed(expected['position'])} points"
        )
        said += [
            f"bundles of {size}: excess {_signed(of['excess'])}, shift {_signed(of['shift'])} points"
            for size, of in expected["bundles"].items()
        ]
    return "; ".join(said)


def _signed(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # -0.0 is written 0.0


def write(report: Report, out: Path) -> Path:
    """Write `demo.json`; returns its path."""
    path = out / "demo.json"
    path.write_text(report.as_json() + "\n", encoding="utf-8")
    return path
