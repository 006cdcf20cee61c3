"""`roundbatch quality`: what audits show of each model, how far the ranking of one batch can be trusted, and an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from cli import kafka
from cli.closed_pipe import until_closed
from cli.kafka import BootstrapServers, settings_at
from cli.quality import limit
from cli.quality.judges import tell_judges
from cli.since import since_ms
from cli.tables import print_whole

if TYPE_CHECKING:
    from cli.quality.ranking_report import RankingReport


app = typer.Typer()
app.command("limit")(until_closed(limit.limit))
app.command("acknowledge")(until_closed(limit.acknowledge))


@app.callback(invoke_without_command=True)
@until_closed
def quality(
    context: typer.Context,
    batch: Annotated[
        str | None, typer.Option(metavar="ID", help="cj_batch_id; of requests without one their bos_batch_id.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Pass over what is older (ISO 8601, or 30d).")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots; without --batch.", show_default=False)] = None,
    on_alarm: Annotated[
        str | None,
        typer.Option(metavar="halve|single", help="Limit bundles of a model whose alarm sounds, by all partitions' audits."),
    ] = None,
    bootstrap_servers: BootstrapServers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell by the audits how each model judges, or of one batch how far its ranking can be trusted.

    Nothing is asked of a provider, and nothing is sent but with --on-alarm.

    Of models: how far their verdicts in bundles are from those on single comparisons, in which direction, and how much the
    order of A and B does. Exit 0 if all are shown fine, 3 if one is bent, 4 if one is not known yet, 1 if nothing can be read.

    Of a batch: reliability, the effect of the order of A and B, comparisons an essay, circles, slots of bundles, essays that do
    not fit or speak to the judge, and the ranking itself. Exit 1 for a batch of which nothing is answered.
    """
    if context.invoked_subcommand is not None:
        return
    if on_alarm not in (None, "halve", "single"):
        raise typer.BadParameter(f"--on-alarm {on_alarm}: must be halve or single")
    if on_alarm is not None and since is not None:
        raise typer.BadParameter("--on-alarm weighs the days that an alarm counts: leave --since out")
    if batch is None:
        raise typer.Exit(tell_judges(since, bootstrap_servers, html, on_alarm, as_json=as_json))
    if html is not None or on_alarm is not None:
        raise typer.BadParameter("--html and --on-alarm are about all models: leave --batch out")
    _of_batch(batch, since, bootstrap_servers, as_json=as_json)


def _of_batch(batch: str, since: str | None, bootstrap_servers: str | None, *, as_json: bool) -> None:
    import json

    from aiokafka.errors import KafkaError

    from cli.quality.batch_topics import read_batch
    from cli.quality.ranking_report import report
    from cli.quality.shown import shown
    from streams.kafka.unreadable import Unreadable
    from streams.wire.work import NewerRecord

    settings = settings_at(bootstrap_servers)
    begin = since_ms(since)
    try:
        told = report(kafka.run(settings, lambda: read_batch(batch, settings, begin)))
    except LookupError as error:
        typer.echo(str(error.args[0]), err=True)
        raise typer.Exit(1) from error
    except (NewerRecord, Unreadable, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KafkaError as error:
        typer.echo(f"Kafka at {settings.kafka_bootstrap_servers} cannot be reached: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(shown(told)))
    else:
        _print(told)


@app.command("experiment")
@until_closed
def experiment(
    requests: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL as `submit` takes it: the pairs to be judged.")],
    budget: Annotated[float, typer.Option(help="USD that may be spent.", min=0.0)] = 0.0,
    sizes: Annotated[str, typer.Option(help="Sizes of bundles.")] = "4,8,16,32",
    layouts: Annotated[str, typer.Option(help="Layouts of bundles, as verbatim,shared_essays; default: the setting's.")] = "",
    by: Annotated[str, typer.Option(help="calls; batch: half the price, and hours; both: each against the other.")] = "calls",
    arms: Annotated[str, typer.Option(help="justification_first: single answers that begin with their reasons.")] = "",
    precision: Annotated[float, typer.Option(help="Stop when every interval is within so many points.", min=0.1)] = 3.0,
    margin: Annotated[float, typer.Option(help="Fine is what is certainly within so many points.", min=0.1)] = 5.0,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be asked and what it costs; ask nothing.")] = False,
    html: Annotated[Path, typer.Option(help="The report.")] = Path("build/experiment.html"),
    seed: Annotated[int, typer.Option(help="Of the order of pairs, prompts and slots.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask pairs alone and in bundles, and report whether bundles are judged as single calls are.

    Each pair is asked twice alone, once swapped, and twice in each size and layout, at the account and model of the first
    request, by the settings of this environment; no Kafka is needed. A pilot of 100 pairs tells how many it takes. Exit 0 if
    all sizes are shown fine, 3 if one is bent, 4 if one is not known yet, 1 if nothing could be asked.
    """
    from cli.quality.asking import Goal
    from cli.quality.conducting import Choice, conduct_experiment
    from domain.job import Layout

    try:
        of = tuple(dict.fromkeys(int(size) for size in sizes.split(",")))
    except ValueError:
        of = ()
    if not of or not all(2 <= size <= 64 for size in of):
        raise typer.BadParameter(f"--sizes {sizes}: give sizes of 2 to 64 with commas between, as 4,8,16,32")
    written = _listed("--layouts", layouts, get_args(Layout))
    if by not in ("calls", "batch", "both"):
        raise typer.BadParameter(f"--by {by}: must be calls, batch or both")
    if not plan and budget <= 0:
        raise typer.BadParameter("an experiment spends money: say how much at most, in USD, as --budget 0.50; or --plan")
    reasons_first = bool(_listed("--arms", arms, ("justification_first",)))
    choice = Choice(tuple(sorted(of)), written, by != "batch", by != "calls", reasons_first)
    goal = Goal(budget, precision / 100, margin / 100, seed)
    raise typer.Exit(conduct_experiment(requests, choice, goal, None if plan else html, as_json=as_json))


def _listed(option: str, given: str, known: tuple[Any, ...]) -> tuple[Any, ...]:
    """The names of a list with commas between, each once. Errors: BadParameter for one that is not known."""
    names = tuple(dict.fromkeys(given.split(","))) if given else ()
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{option} {given}: {name!r} is not known; known are {', '.join(known)}")
    return names


@app.command("canaries")
@until_closed
def canaries(
    requests: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSONL as `submit` takes it: some 96 pairs, half of them close.")
    ],
    state: Annotated[Path, typer.Option(help="JSON file that is kept between two runs.")],
    freeze: Annotated[bool, typer.Option("--freeze", help="Begin (anew): ask each pair nine times.")] = False,
    by: Annotated[str, typer.Option(help="calls, or batch: half the price, and hours.")] = "calls",
    budget: Annotated[float, typer.Option(help="USD that a run may spend.", min=0.0)] = 0.50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask 24 of one's own pairs a day, by cron, to see that a model judges as it did when they were frozen.

    At the account and model of the first request, by the settings of this environment; no Kafka is needed, and no worker. A
    second run on a day asks nothing. Exit 0, 3 if the model judges otherwise, 1 if nothing could be asked.
    """
    from cli.quality.canaries import conduct_canaries

    if by not in ("calls", "batch"):
        raise typer.BadParameter(f"--by {by}: must be calls or batch")
    raise typer.Exit(conduct_canaries(requests, state, freeze=freeze, batch=by == "batch", budget_usd=budget, as_json=as_json))


def _print(told: RankingReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.quality.ranking_report import sentences
    from domain.answer import writable

    table = Table(title=Text(writable(f"ranking of {told.batch}")))  # a str would be read as markup
    for name in ("place", "essay", "score", "±", "comparisons", "shown first"):
        table.add_column(name, overflow="fold", justify="left" if name == "essay" else "right")
    for one in told.ranking:
        cells = (
            str(one.place),
            one.essay,
            f"{one.score:+.2f}",
            f"{1.96 * one.error:.2f}",
            str(one.comparisons),
            f"{one.shown_first:.0%}",
        )
        table.add_row(*(Text(writable(cell)) for cell in cells))
    print_whole(table)
    sent = Table(title="answers, by how they were asked")
    for name in ("model", "sent as", "in lines of", "answers", "A won", "confidence"):
        sent.add_column(name, overflow="fold")
    for group in told.sent:
        share = group.share_of_a
        cells = (
            f"{group.provider} {group.model}",
            group.mode,
            str(group.size),
            str(group.answers),
            f"{share.estimate:.0%} ({share.low:.0%} to {share.high:.0%})",
            f"{group.confidence:.1f}",
        )
        sent.add_row(*(Text(cell) for cell in cells))
    print_whole(sent)
    for sentence in sentences(told):
        typer.echo(f"- {writable(sentence)}")
