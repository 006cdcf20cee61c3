"""What a demo shows while it plays: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

from demo.cj_batch import CJBatch

LEDGER_S = 0.5


class Progress:
    """The state of all batches, with the simulator's bill, looked up twice a second at most.

    `stream` gets the view; where it is no terminal, or `live` is off, it gets a line for each answered round.
    """

    def __init__(
        self, batches: Sequence[CJBatch], read_ledger: Callable[[], Mapping[str, Any]], stream: TextIO, *, live: bool
    ) -> None:
        self._batches = batches
        self._read_ledger = read_ledger
        self._console = Console(file=stream)
        self._live = Live(console=self._console, refresh_per_second=8) if live and self._console.is_terminal else None
        self._ledger: Mapping[str, Any] = {}
        self._ledger_read_at = float("-inf")
        self._shown = {batch.cj_batch_id: 0 for batch in batches}

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line, above the live view if there is one."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def update(self) -> None:
        """Show the state now."""
        if time.monotonic() - self._ledger_read_at >= LEDGER_S:
            self._ledger = self._read_ledger()
            self._ledger_read_at = time.monotonic()
        if self._live is not None:
            self._live.update(self.view())
            return
        for batch in self._batches:
            rounds = batch.round if batch.round_answered else batch.round - 1
            if rounds > self._shown[batch.cj_batch_id]:
                self._shown[batch.cj_batch_id] = rounds
                found = f"rank correlation so far {batch.rank_correlation():.2f}" if batch.route.judges else "made up"
                self.say(
                    f"{batch.route.provider}: round {rounds} of {batch.rounds} answered, {batch.answered} comparisons, "
                    f"{batch.errors} errors, {found}"
                )

    def view(self) -> Panel:
        """The live view of the state at the last update."""
        table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
        table.add_column("assignment", no_wrap=True, max_width=22)
        table.add_column("provider")
        table.add_column("rounds")
        table.add_column("")
        for name in ("answered", "errors", "corr."):
            table.add_column(name, justify="right")
        for batch in self._batches:
            rounds = batch.round if batch.round_answered else batch.round - 1
            share = batch.answered / max(1, batch.rounds * (len(batch.assignment.essays) // 2))
            table.add_row(
                f"[bold]{batch.assignment.title}",
                batch.route.provider,
                f"{rounds}/{batch.rounds}",
                ProgressBar(total=1.0, completed=share, width=8),
                f"{batch.answered}/{batch.requested}",
                f"[red]{batch.errors}" if batch.errors else "0",
                f"{batch.rank_correlation():.2f}" if batch.route.judges else "–",
            )
        return Panel(Group(table, "", bill(self._ledger)), title="roundbatch demo", expand=False)


def bill(ledger: Mapping[str, Any]) -> str:
    """A line with jobs, HTTP operations and cost, and with the cost of single calls where batch jobs cost less."""
    if not ledger:
        return "no bill yet"
    cost, single = float(ledger["cost_usd"]), float(ledger["cost_single_usd"])
    # For bundles the ledger knows how their tokens are shared out, not what their comparisons would have taken alone.
    beside = f"; single calls ${single:.4f} (so {cost / single:.0%})" if cost < single else ""
    return f"{ledger['batches']} batch jobs, {ledger['http_operations']} HTTP operations, ${cost:.4f}{beside}"


def stream_for(as_json: bool) -> TextIO:
    """Where progress goes: stdout belongs to the JSON object if one is asked for."""
    return sys.stderr if as_json else sys.stdout
