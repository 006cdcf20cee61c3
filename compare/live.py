"""The same report from live accounts: run after run, the cheapest first, until all is run or the budget is reached."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from compare import model
from compare.answers import Answer
from compare.case import LIVE, Case
from compare.comparing import line, write
from compare.real import Place, Run, measure
from compare.row import Row
from compare.scraped import Scraped
from compare.words import usd
from settings.settings import load_settings

_OF_PROVIDERS = ("ANTHROPIC_", "OPENAI_", "ROUNDBATCH_ANTHROPIC__", "ROUNDBATCH_OPENAI__")
# A run is begun only if the budget still holds this many times its cost by the model: the worker reserves the most that a job
# may cost, which is 2.5 to 3.5 times what it does cost.
_MARGIN = 4.0
_LONGEST_S = 12_600.0  # as long as the worker lets a request wait


@dataclass(frozen=True, slots=True)
class Live:
    """What is to be run. rounds: of 12 comparisons, one after another; dense: a round of 288 too."""

    budget_usd: float
    strategies: Sequence[str]
    rounds: int
    dense: bool


def provider_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Keys, base URLs and settings of providers, as the environment has them."""
    return {name: value for name, value in environment.items() if name.startswith(_OF_PROVIDERS)}


def providers_of(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The providers that have a key. Errors: UnusableSettings."""
    return tuple(load_settings(variables).configured_providers)


def runs_of(wanted: Live, providers: Sequence[str]) -> list[Run]:
    """The runs, the cheapest way first. nightly is left out: it is per_round after a wait."""
    ways = [("per_round", 1, None), ("serial_bundle", 8, "verbatim"), ("per_request", 1, None)]
    work = [(*way, "rounds", wanted.rounds) for way in ways]
    if wanted.dense:
        ways = [("per_round", 8, "shared_essays"), ("serial_bundle", 8, "shared_essays"), *ways]
        work += [(*way, "dense", 1) for way in ways]
    return [
        Run(
            [Case(strategy, provider, LIVE, workload, size, layout, rounds) for provider in providers],  # type: ignore[arg-type]
            timeout_s=_LONGEST_S,
        )
        for strategy, size, layout, workload, rounds in work
        if strategy in wanted.strategies
    ]


def expected_usd(run: Run) -> float:
    """What a run costs by the model."""
    return sum(model.play(replace(case, account="large")).cost_usd for case in run.cases)


def compare(
    wanted: Live,
    variables: Mapping[str, str],
    out: Path,
    at: Callable[[Path, Mapping[str, str]], AbstractContextManager[Place]],
    say: Callable[[str], None],
) -> list[Row]:
    """Run within the budget, and write the report; returns the rows of what was run.

    The budget is kept in three ways: a run that may exceed it is not begun, no round is begun once it is spent, and the worker
    refuses what it has no room for (ROUNDBATCH_BUDGET__DAY_USD). Errors: ProcessFailed, UnusableSettings.
    """
    shutil.rmtree(out / "compare", ignore_errors=True)
    rows: list[Row] = []
    models: list[Row] = []
    spent_usd = 0.0
    stopped = ""

    def beside(case: Case, counted: Scraped) -> float:
        models.append(replace(model.play(replace(case, account="large"), limits=counted.limits), account=LIVE))
        return models[-1].ideal_s

    with at(out / "compare", variables) as place:
        for run in runs_of(wanted, providers_of(variables)):
            left_usd, first = wanted.budget_usd - spent_usd, run.cases[0]
            most_usd = _MARGIN * expected_usd(run)
            if most_usd > left_usd:
                stopped = (
                    f"stopped at the budget of {usd(wanted.budget_usd)}: {usd(spent_usd)} are spent, and {first.strategy} "
                    f"({first.workload}) may cost {usd(most_usd)}"
                )
                break
            budget = {"ROUNDBATCH_BUDGET__DAY_USD": f"{left_usd:.6f}", "ROUNDBATCH_BUDGET__EXCESS": "refuse"}
            came = measure(
                replace(run, settings=budget),
                place,
                ideal_s=beside,
                wanted=lambda run_usd, left_usd=left_usd: run_usd < left_usd,  # type: ignore[misc]
            )
            for row in came:
                say(line(row))
            rows += came
            spent_usd += sum(row.cost_usd for row in came)
    say(stopped or f"{usd(spent_usd)} of {usd(wanted.budget_usd)} are spent")
    write([*models, *rows], [_answer(rows, stopped)], out, f"{len(rows)} runs on live accounts, {usd(spent_usd)}")
    return rows


def _answer(rows: Sequence[Row], stopped: str) -> Answer:
    short = stopped or "Everything that was asked for was run."
    return Answer("What do the live accounts show?", short[:1].upper() + short[1:], [line(row) for row in rows])
