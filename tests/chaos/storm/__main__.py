"""`python -m tests.chaos.storm --minutes 10 --seed 1`: see docs/reliability.md."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer


def main(
    minutes: Annotated[float, typer.Option(help="How long each run is struck; starting and draining come on top.")] = 10.0,
    seed: Annotated[list[int] | None, typer.Option(help="What is drawn; give it again for another run after this one.")] = None,
    brokers: Annotated[int, typer.Option(help="Brokers: 1, or 3 with three replicas of each topic.")] = 1,
    rate: Annotated[float, typer.Option(help="Comparisons a second that clients ask for.")] = 12.0,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this deed (kill, broker_kill, …, crash_point); again for more.")
    ] = None,
    plant: Annotated[str, typer.Option(help="A fault put into each worker, of tests/model/test_plants.py.")] = "",
    folder: Annotated[Path, typer.Option(help="For chaos.json, and a folder for each seed.")] = Path("build"),
) -> None:
    """Strike workers, gateways, brokers and networks at random, then check from outside that nothing is lost nor paid twice.

    Ends with 1 where a promise broke, and says which, about which id, and where to look.
    """
    # Each forked process imports this module again.
    from tests.chaos.storm import report
    from tests.chaos.storm.run import Wanted, run
    from tests.chaos.storm.schedule import CRASH_POINT, Deed
    from tests.chaos.storm.striking import say

    if brokers not in (1, 3):
        raise typer.BadParameter(f"--brokers {brokers}: give 1 or 3")
    if unknown := set(only or ()) - {*Deed, CRASH_POINT}:
        raise typer.BadParameter(f"--only {unknown.pop()}: give one of {', '.join([*Deed, CRASH_POINT])}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # all that was started is ended then, too
    wanted = Wanted(minutes, brokers, rate, frozenset(only or ()), plant)
    outcomes = []
    for one in seed or [1]:
        outcomes.append(run(one, wanted, folder / "chaos" / str(one)))
        report.write(outcomes, folder / "chaos.json")
        say(report.words(outcomes[-1]))
    if any(outcome.broken for outcome in outcomes):
        raise typer.Exit(1)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
