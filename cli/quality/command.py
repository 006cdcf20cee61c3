"""`roundbatch quality --batch ID`: how far the ranking of one batch can be trusted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from cli import kafka
from cli.kafka import BootstrapServers, settings_at
from cli.since import since_ms
from cli.tables import print_whole

if TYPE_CHECKING:
    from cli.quality.ranking_report import RankingReport


def quality(
    batch: Annotated[str, typer.Option(metavar="ID", help="cj_batch_id; of requests without one their bos_batch_id.")],
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Pass over what is older (ISO 8601).")] = None,
    bootstrap_servers: BootstrapServers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell how far the ranking of one batch can be trusted, by the answers in the topics; nothing is asked, nothing is sent.

    Reliability, the effect of the order of A and B, comparisons an essay, circles, slots of bundles, essays that do not fit or
    speak to the judge, and the ranking itself. Exit 1 for a batch of which nothing is answered.
    """
    import json

    from aiokafka.errors import KafkaError

    from cli.quality.batch_topics import read_batch
    from cli.quality.ranking_report import report
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


def shown(told: RankingReport) -> dict[str, object]:
    """The report as JSON has it: groups of figures become objects with the names of their fields."""

    def plain(value: object) -> object:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {name: plain(one) for name, one in value._asdict().items()}
        if isinstance(value, tuple | list):
            return [plain(one) for one in value]
        return {str(name): plain(one) for name, one in value.items()} if isinstance(value, dict) else value

    made = plain(told)
    assert isinstance(made, dict)
    return made


def _print(told: RankingReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.quality.ranking_report import sentences

    table = Table(title=f"ranking of {told.batch}")
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
        table.add_row(*(Text(cell) for cell in cells))
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
        typer.echo(f"- {sentence}")
