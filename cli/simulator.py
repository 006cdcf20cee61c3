"""`roundbatch simulator`: the providers' APIs on this machine, for the demo, tests and trying out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.config import EXIT_UNUSABLE

if TYPE_CHECKING:
    from simulator.traits import JudgeTraits


Judge = Annotated[
    list[str] | None, typer.Option(help="How the model judges, as judge_slope=6 or bundle_shift=0.05; repeatable.")
]


def _traits(given: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and value of each trait. Errors: typer.BadParameter for one that is not NAME=VALUE."""
    for trait in given:
        name, equals, value = trait.partition("=")
        if not equals:
            raise typer.BadParameter(f"{trait!r} is not NAME=VALUE, as in judge_slope=6", param_hint="--judge")
        yield name, value


def traits_or_exit(given: Iterable[str]) -> JudgeTraits:
    """The traits of the simulated judge. What cannot be is said in a line on stderr, with exit 78."""
    from pydantic import ValidationError

    from simulator.traits import JudgeTraits

    try:
        return JudgeTraits.model_validate(dict(_traits(given)))
    except ValidationError as refused:
        first = refused.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the judge"
        typer.echo(f"--judge: {where}: {first['msg']}; docs/simulator.md lists the traits of a judge", err=True)
        raise typer.Exit(EXIT_UNUSABLE) from None


def simulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes any free one.")] = 8900,
    ledger: Annotated[Path | None, typer.Option(help="SQLite file; by default one in a temporary directory.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = 0,
    latency_s: Annotated[float, typer.Option(help="Seconds that a single call takes.", min=0)] = 0.0,
    batch_duration_s: Annotated[float, typer.Option(help="Seconds that a batch runs.", min=0)] = 0.0,
    validation_s: Annotated[
        float, typer.Option(help="Seconds that an OpenAI batch is validating, and a Google one pending.", min=0)
    ] = 0.0,
    hold: Annotated[bool, typer.Option(help="Batches run until the control API finishes them.")] = False,
    judge_error_rate: Annotated[float, typer.Option(help="How often the judge errs, 0 to 1.", min=0, max=1)] = 0.05,
    judge: Judge = None,
    requests_per_minute: Annotated[int | None, typer.Option(help="Limit of single calls; none by default.", min=1)] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(help="Limit of tokens; none by default.", min=1)] = None,
    output_tokens_per_minute: Annotated[
        int | None, typer.Option(help="Limit of output tokens (Anthropic); none by default.", min=1)
    ] = None,
    unknown_model: Annotated[
        list[str] | None, typer.Option(help="A model name to be refused with 404; repeatable. Any other name is a model.")
    ] = None,
    openai_enqueued_tokens: Annotated[
        int | None, typer.Option(help="Limit of tokens in unfinished OpenAI batches; none by default.", min=1)
    ] = None,
) -> None:
    """Serve the Anthropic, the OpenAI and the Gemini API locally, with faults on demand and a ledger of what was paid."""
    import tempfile

    from simulator import process
    from simulator.settings import SimulatorSettings

    traits = traits_or_exit(judge or ())
    with tempfile.TemporaryDirectory(prefix="roundbatch-simulator-") as directory:
        settings = SimulatorSettings(
            ledger=ledger or Path(directory) / "ledger.sqlite",
            seed=seed,
            latency_s=latency_s,
            batch_duration_s=batch_duration_s,
            validation_s=validation_s,
            hold=hold,
            **{"judge_error_rate": judge_error_rate, **traits.model_dump(exclude_unset=True)},
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            output_tokens_per_minute=output_tokens_per_minute,
            openai_enqueued_tokens=openai_enqueued_tokens,
            unknown_models=frozenset(unknown_model or ()),
        )
        try:
            process.serve(settings, host, port)
        except process.CannotListen as refusal:
            typer.echo(f"{refusal}; set --host to an address of this machine and --port to a free port, or 0 for any", err=True)
            raise typer.Exit(EXIT_UNUSABLE) from None
