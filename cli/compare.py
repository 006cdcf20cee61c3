"""`roundbatch compare`: all strategies on one workload, cost against time; by a model and a simulator, or on live accounts."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    live: Annotated[bool, typer.Option("--live", help="Run on the accounts whose keys are in the environment.")] = False,
    budget: Annotated[float | None, typer.Option(help="With --live: USD that may be spent, at all providers together.")] = None,
    strategy: Annotated[list[str] | None, typer.Option(help="With --live: only this strategy; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(help="With --live: rounds of 12 comparisons.", min=1, max=10)] = 2,
    dense: Annotated[bool, typer.Option(help="With --live: a dense round of 288 comparisons too.")] = True,
    model_only: Annotated[bool, typer.Option("--model-only", help="Without --live: only the model, no real runs.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for compare.json, compare.html, and the runs' logs.")] = Path("build"),
) -> None:
    """Send the recorded workload (docs/strategies.md) through every strategy, and report cost, time and operations.

    Without --live nothing is paid: a model, and some rows by a real worker against simulated providers. Uses the Kafka of
    KAFKA_BOOTSTRAP_SERVERS, under topics of its own, or one in memory. Exit code 1 if an answer is missing, 2 for a wrong use.
    """
    if live and (budget is None or budget <= 0):
        raise typer.BadParameter("--live spends money: say how much at most, in USD, as --budget 0.50")
    if budget is not None and not live:
        raise typer.BadParameter("--budget belongs to --live; without it nothing is spent")

    import os

    from cli.processes_end import processes_end
    from compare import kafka
    from compare.live import Live, provider_variables, providers_of
    from compare.live import compare as compare_live
    from domain.strategies import STRATEGIES

    unknown = [name for name in strategy or () if name not in STRATEGIES or name == "nightly"]
    if unknown:
        known = ", ".join(name for name in STRATEGIES if name != "nightly")
        raise typer.BadParameter(f"--strategy {unknown[0]}: must be one of {known} (nightly is per_round after a wait)")
    with processes_end("the comparison"):
        if budget is None:
            whole = _simulated(out, model_only)
        else:
            variables = provider_variables(os.environ)
            if not providers_of(variables):
                raise typer.BadParameter("--live needs a key: set ANTHROPIC_API_KEY or OPENAI_API_KEY")
            wanted = Live(budget, strategy or list(STRATEGIES), rounds, dense)
            rows = compare_live(wanted, variables, out, lambda folder, keys: kafka.place(os.environ, folder, keys), typer.echo)
            whole = all(row.answered == row.comparisons for row in rows)
    if not whole:
        raise typer.Exit(1)


def _simulated(out: Path, model_only: bool) -> bool:
    import os

    from compare import comparing, kafka

    if model_only:
        return comparing.compare(out, None, typer.echo)
    with kafka.place(os.environ, out / "compare", {}) as place:
        return comparing.compare(out, place, typer.echo)
