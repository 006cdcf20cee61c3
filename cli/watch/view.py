"""What `roundbatch watch` draws: plain tables, the most urgent first, red where somebody should look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.words import counted
from streams.wire.status.money import OPEN, MoneyStatus
from streams.wire.status.queue import WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from streams.wire.status.judges import JudgesStatus
    from streams.wire.status.limits import MergedLimits, QueueUse
    from streams.wire.status.queue import JobsStatus, QueueStatus, RoundsStatus
    from streams.wire.status.told import MergedStatus

NEAR_S = 900.0  # as in the alert of a near deadline
_PAPER = 60  # lines to fill where there is no terminal
_FIXED_LINES = 20
_BAR = 12
_BARS_FROM = 100
_NAMES = {WINDOW: "gathering"}
_MEASURES = ("excess", "shift", "position")
_ODD, _AT_WORK = ("unknown", "held"), ("calling", "submitted")


def view(told: MergedStatus, failures: Sequence[str], width: int, height: int = _PAPER) -> RenderableType:
    """The view for a terminal of this size. From 80 columns on nothing is cut; fewer lines show fewer jobs and rounds."""
    from rich.console import Group
    from rich.text import Text

    if not isinstance(told.money, MoneyStatus):
        return Group(*(Text(failure, "red") for failure in failures))  # no worker has answered
    bars, room = width >= _BARS_FROM, height - _FIXED_LINES
    return Group(
        _head(told),
        *(Text(failure, "red") for failure in failures),
        _money(told.money),
        _stages(told.queue),
        _jobs(told.jobs, bars, max(3, room * 2 // 3)),
        _rounds(told.rounds, max(2, room // 3)),
        _limits(told.limits, bars),
        *_queues(told.enqueued, bars),
        *_judges(told.judges),
    )


def span(seconds: float | None) -> str:
    """A length of time in one word: 9.5 s, 40 s, 12 min, 3.5 h, 2 d."""
    if seconds is None:
        return "–"
    sign, size = ("−" if seconds < 0 else ""), abs(seconds)
    for limit, unit, name, digits in (
        (9.95, 1, "s", 1),
        (99.5, 1, "s", 0),
        (5_940, 60, "min", 0),
        (172_800, 3_600, "h", 1),
    ):
        if size < limit:
            return f"{sign}{size / unit:.{digits}f} {name}"
    return f"{sign}{size / 86_400:.0f} d"


def _head(told: MergedStatus) -> RenderableType:
    from rich.text import Text

    queue, results = told.queue, told.results
    line = Text()
    waits = [reason for worker in told.workers for reason in worker.not_ready]
    line.append(" not ready " if waits else " ready ", "black on yellow" if waits else "black on green")
    count = len(told.workers)
    partitions = sum(worker.partitions for worker in told.workers)
    line.append(f"  {counted(count, 'worker')}, {counted(partitions, 'partition')}\n")
    for reason in waits[:4]:
        line.append(f"{reason}\n", "yellow")
    for worker in told.workers:
        silent = [f"{loop} for {span(seconds)}" for loop, seconds in worker.silent_s.items() if seconds > 60]
        if silent:
            line.append(f"worker {worker.run[:8]}: silent: {', '.join(silent)}\n", "red")
    if queue.waiting:
        line.append(counted(queue.waiting, "comparison"), "bold").append(
            f" wait{'s' if queue.waiting == 1 else ''}, the oldest "
        )
        line.append(span(queue.oldest_s), "bold").append(", the nearest deadline in ")
        near = queue.nearest_deadline_s
        line.append(span(near), "bold red" if near is not None and near < NEAR_S else "bold")
    else:
        line.append("nothing waits")
    line.append(f"; {results.get('answered', 0):,} answered")
    for code, number in results.items():
        if code != "answered" and number:
            line.append(f", {number:,} {code}", "yellow")
    return line


def _stages(queue: QueueStatus) -> Table:
    table = _table("where comparisons stand")
    for stage in queue.stages:
        table.add_column(_NAMES.get(stage.state, stage.state), justify="right")
    styles = ["bold red" if stage.state in _ODD else "bold" if stage.count else "dim" for stage in queue.stages]
    units = ["window" if stage.state == WINDOW else "job" for stage in queue.stages]
    counts = [stage.count for stage in queue.stages]
    words = [counted(count, unit) for count, unit in zip(counts, units, strict=True)]
    _row(table, *[(word, style if count else "dim") for word, style, count in zip(words, styles, counts, strict=True)])
    _row(table, *[(span(stage.oldest_s) if stage.count else "", "dim") for stage in queue.stages])
    return table


def _jobs(jobs: JobsStatus, bars: bool, rows: int) -> Table:
    shown = jobs.shown[:rows]
    table = _table(f"{counted(jobs.open, 'job')} open{_cut(jobs.open, shown)}")
    for name in ("round", "provider", "model"):
        table.add_column(name, overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("answered", justify="right", no_wrap=True)
    if bars:
        table.add_column("", width=_BAR)
    for name in ("so for", "age", "deadline"):
        table.add_column(name, justify="right", no_wrap=True)
    for job in shown:
        state = job.state + (f" ({job.attempt})" if job.attempt > 1 else "")
        _row(
            table,
            job.round,
            job.provider,
            (job.model, "dim"),
            (state, "red" if job.state in _ODD else "green" if job.state in _AT_WORK else ""),
            f"{job.done} of {job.comparisons}",
            *((_bar(job.done, job.comparisons),) if bars else ()),
            span(job.state_s),
            span(job.age_s),
            (span(job.deadline_s), "red" if job.deadline_s < NEAR_S else ""),
        )
    return table


def _rounds(rounds: RoundsStatus, rows: int) -> Table:
    shown = rounds.shown[:rows]
    gathering = f"{rounds.gathering:,} gathering{_cut(rounds.gathering, shown)}"
    table = _table(f"{counted(rounds.open, 'round')} open, {gathering}")
    for name in ("round", "strategy", "provider"):
        table.add_column(name, overflow="fold")
    for name in ("gathered", "age"):
        table.add_column(name, justify="right")
    for one in shown:
        gathered = f"{one.arrived} of {one.announced}" if one.announced else f"{one.comparisons:,}"
        _row(table, one.round, one.strategy, ", ".join(one.providers), gathered, span(one.age_s))
    return table


def _limits(limits: Sequence[MergedLimits], bars: bool) -> Table:
    table = _table("rate limits: what is left of a minute")
    for name in ("provider", "calls", "model", "limit"):
        table.add_column(name, overflow="fold")
    table.add_column("left", justify="right", no_wrap=True)
    if bars:
        table.add_column("", width=_BAR)
    for account in limits:
        calls = f"{account.under_way} of {account.at_once}, {account.waiting} wait"
        if account.pause_s > 0:
            calls += f", paused for {span(account.pause_s)}"
        if account.limits_share < 1.0:
            calls += f", may take {account.limits_share:.0%} of the limits"
        first = (account.provider, (calls, "red" if account.pause_s > 0 else ""))
        if not account.left:
            _row(table, *first, ("not known yet", "dim"))
        for one in account.left:
            left = f"{one.remaining:,.0f} of {one.limit:,.0f}"
            kind = one.kind.replace("_", " ")
            if one.taken_by_others:
                kind += f", others took {one.taken_by_others:,.0f}"
            _row(
                table,
                *first,
                (one.model, "dim"),
                kind,
                (left, "red" if one.remaining < 0.1 * one.limit else ""),
                *((_bar(max(0.0, one.remaining), one.limit),) if bars else ()),
            )
            first = ("", ("", ""))
    return table


def _queues(queues: Sequence[QueueUse], bars: bool) -> list[Table]:
    """The batch queues of accounts for which a limit is set."""
    if not queues:
        return []
    table = _table("batch queues of the accounts")
    for name in ("provider", "model", "kind"):
        table.add_column(name, overflow="fold")
    table.add_column("in it", justify="right", no_wrap=True)
    if bars:
        table.add_column("", width=_BAR)
    table.add_column("waiting", overflow="fold")
    for one in queues:
        _row(
            table,
            one.provider,
            (one.model or "all models", "dim"),
            one.kind,
            f"{one.used:,} of {one.limit:,.0f}",
            *((_bar(one.used, one.limit),) if bars else ()),
            (counted(one.waiting, "job"), "red") if one.waiting else ("none", "dim"),
        )
    return [table]


def _judges(judges: JudgesStatus) -> list[Table]:
    """How models judge, where anything was audited."""
    if not judges.models:
        return []
    table = _table(f"judges, by audits; ${judges.month_usd:,.4f} in 30 days")
    for name in ("provider", "model"):
        table.add_column(name, overflow="fold")
    for name in ("audits", *_MEASURES, "retest"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("bundles", "finding"):
        table.add_column(name, overflow="fold")
    for one in judges.models:
        measures = [one.measures.get(name) for name in _MEASURES]
        _row(
            table,
            one.provider,
            (one.model, "dim"),
            f"{one.audits:,}",
            *(
                "–" if mean is None else f"{100 * mean.estimate:+.1f} ({100 * mean.low:+.1f} to {100 * mean.high:+.1f})"
                for mean in measures
            ),
            f"{100 * one.retest.estimate:.1f}",
            ("", "dim") if one.limit is None else (f"at most {one.limit}", "yellow"),
            (one.finding, "bold red" if one.finding == "bent" else "green" if one.finding == "shown fine" else ""),
        )
    return [table]


def _money(money: MoneyStatus) -> RenderableType:
    from rich.text import Text

    day, line = money.day, Text()
    line.append("spent today ").append(f"${day.spent_usd:,.4f}", "bold")
    line.append(f", reserved ${day.reserved_usd:,.4f}")
    if day.limit_usd:
        line.append(f", of a budget of ${day.limit_usd:,.2f}")
    if money.held.comparisons:
        line.append(f"\n{money.held.comparisons:,} comparisons wait for money", "red")
    for account in money.accounts:
        if account.state != OPEN:
            line.append(f"\n{account.account} is {account.state}: {account.reason}, ", "red")
            line.append(f"{account.waiting_jobs} jobs wait, next try in {span(account.next_try_s)}. {account.message}")
    for provider, model, known in money.prices.models:
        if not known:
            line.append(f"\nthe price of {provider} {model} is not known", "yellow")
    return line


def _table(title: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    # "bold not italic": a title is italic by default.
    return Table(
        title=Text(f"\n{title}", "bold not italic"),
        title_justify="left",
        header_style="dim",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )


def _row(table: Table, *cells: str | tuple[str, str] | RenderableType) -> None:
    """Add a row. Cells are Text, not str: a round's name in square brackets would be taken for markup and vanish."""
    from rich.text import Text

    made: list[RenderableType] = []
    for cell in cells:
        if isinstance(cell, tuple):
            made.append(Text(*cell))
        else:
            made.append(Text(cell) if isinstance(cell, str) else cell)
    table.add_row(*made)


def _bar(done: float, total: float) -> RenderableType:
    from rich.progress_bar import ProgressBar

    return ProgressBar(total=total, completed=min(done, total), width=_BAR, complete_style="blue", finished_style="green")


def _cut(count: int, shown: Sequence[object]) -> str:
    return f", the oldest {len(shown)}" if count > len(shown) else ""
