"""`roundbatch quality limit` and `acknowledge`: what is done about a bent judge, told to every partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.confirming import confirm
from cli.kafka import BootstrapServers, settings_at
from cli.telling import WorkTopic, tell_every_partition
from cli.words import counted

if TYPE_CHECKING:
    from settings.settings import Settings
    from streams.wire.work import WorkRecord

Model = Annotated[str, typer.Argument(metavar="MODEL", help="As the settings or the page name it.")]
Provider = Annotated[str | None, typer.Option(help="Its provider, where the settings do not tell.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Kept with it: why.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object; needs --yes.")]


def limit(
    model: Model,
    most: Annotated[
        int | None, typer.Option(help="At most so many comparisons in one line; 1: no bundles.", min=1, show_default=False)
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="As many again as the settings say.")] = False,
    provider: Provider = None,
    reason: Reason = "",
    bootstrap_servers: BootstrapServers = None,
    work_topic: WorkTopic = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Limit how many comparisons of a model go into one bundle, until it is lifted; nothing has to be restarted.

    It holds for windows that are cut from now on, in calls of bundles and in lines of batch jobs. Jobs that are planned stay
    as they are, and so does what is planned again of them. Evidence against the model counts anew from tomorrow (UTC).
    """
    from streams.wire.work import BundlesLimited

    if lift == (most is not None):
        raise typer.BadParameter("give either --most N, to limit, or --lift, to lift a limit")
    settings = settings_at(bootstrap_servers)
    of = _provider(settings, model, provider)
    what = f"at most {counted(most, 'comparison')} in a line" if most else "as many comparisons in a line as settings say"
    record = BundlesLimited(provider=of, model=model, most=most or 0, reason=reason)
    _tell(settings, work_topic, record, f"{of} {model}: {what}", yes=yes, as_json=as_json)


def acknowledge(
    model: Model,
    provider: Provider = None,
    reason: Reason = "",
    bootstrap_servers: BootstrapServers = None,
    work_topic: WorkTopic = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Acknowledge the alarm about a model: it ends, and sounds again only for what is audited from tomorrow (UTC) on.

    Nothing else changes: what the audits have shown is still told, and a limit on bundles stays.
    """
    from streams.wire.work import JudgementAcknowledged

    settings = settings_at(bootstrap_servers)
    of = _provider(settings, model, provider)
    record = JudgementAcknowledged(provider=of, model=model, reason=reason)
    _tell(settings, work_topic, record, f"{of} {model}: its alarm is acknowledged", yes=yes, as_json=as_json)


def _provider(settings: Settings, model: str, named: str | None) -> str:
    """The provider that is named, or the only one whose model it is by these settings. Errors: typer.BadParameter."""
    from domain.model_names import is_same_model
    from domain.providers import PROVIDERS

    if named is not None:
        if named not in PROVIDERS:
            raise typer.BadParameter(f"--provider {named}: must be one of {', '.join(PROVIDERS)}")
        return named
    found = [name for name in PROVIDERS if is_same_model(settings.provider(name).model, model)]
    if len(found) != 1:
        of = ", ".join(f"{name}: {settings.provider(name).model}" for name in PROVIDERS)
        raise typer.BadParameter(f"{model} is not the model of one provider by these settings ({of}): name it with --provider")
    return found[0]


def _tell(settings: Settings, work_topic: str | None, record: WorkRecord, what: str, *, yes: bool, as_json: bool) -> None:
    import json

    from msgspec import to_builtins

    topic = work_topic or settings.work_topic
    if as_json and not yes:
        raise typer.BadParameter("--json asks nothing: give --yes too")
    if not yes:
        confirm(f"{what}. Tell all workers?")
    told = tell_every_partition(settings, topic, [record], client_id="roundbatch-quality")
    if as_json:
        typer.echo(json.dumps({**to_builtins(record), "work_topic": topic, "partitions": told}))
    else:
        typer.echo(f"{what}; {counted(told, 'partition')} of {topic} told")
