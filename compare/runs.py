"""Which rows are also run for real, and how many times faster than real time."""

from collections.abc import Callable
from contextlib import ExitStack

from compare.case import DAY_S, MODELS, Case
from compare.pace import Pace
from compare.real import Place, Run, measure
from compare.row import Row
from simulator.process import running_simulator

JUDGE_ERROR_RATE = 0.05


def _run(strategy: str, account: str, workload: str, size: int = 1, layout: str | None = None, *, scale: float = 1.0) -> Run:
    first = Case(strategy, "anthropic", account, workload, size, layout)  # type: ignore[arg-type]
    return Run([first.at(provider) for provider in MODELS], Pace(scale=scale))


# Each run makes two rows, one at each provider. Scales are chosen so that most runs take half a minute, and that the fraction
# of a second that the worker itself takes in each round, which does not scale, stays a few per cent.
RUNS = (
    _run("per_request", "small", "rounds", scale=10.0),
    _run("serial_bundle", "small", "rounds", 8, "verbatim", scale=10.0),
    _run("serial_bundle", "small", "dense", 8, "shared_essays", scale=3.0),
    _run("per_request", "large", "dense"),
    _run("per_round", "small", "rounds", scale=40.0),
    _run("per_round", "large", "dense", 8, "shared_essays", scale=10.0),
    _run("nightly", "small", "dense", scale=DAY_S / 60),
)


def simulated(run: Run, place: Place, ideal_s: Callable[[Case], float]) -> list[Row]:
    """Play a run against a simulator of its own, with the account's limits."""
    limits = run.cases[0].limits
    with ExitStack() as stack:
        control = stack.enter_context(
            running_simulator(
                requests_per_minute=limits.requests,
                tokens_per_minute=limits.input_tokens,
                judge_error_rate=JUDGE_ERROR_RATE,
                **run.pace.simulator(),
            )
        )
        at = Place(
            place.kafka,
            {
                "ANTHROPIC_API_KEY": "simulated-key",
                "ANTHROPIC_BASE_URL": control.base_url,
                "OPENAI_API_KEY": "simulated-key",
                "OPENAI_BASE_URL": control.openai_url,
            },
            place.environment,
            place.folder,
        )
        return measure(run, at, ideal_s=lambda case, _: ideal_s(case))
