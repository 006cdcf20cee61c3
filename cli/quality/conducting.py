"""`roundbatch quality experiment`: reads the pairs, says what it costs, asks, and reports."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import typer

from agents.accounts.open import open_accounts
from agents.planning.resolve import call_profile, prompt_source
from cli import round_records
from cli.config import settings_or_exit
from cli.quality import experiment_page
from cli.quality.asking import Asking, Pair, conduct
from cli.quality.shown import shown
from domain import experiment
from domain.comparison import CallProfile
from domain.evidence import Finding
from domain.experiment import SINGLES, SWAPPED, Arm
from providers.prompts.layouts import essay_hashes
from providers.prompts.swapping import swapped
from settings.settings import Settings
from streams.wire.request_events import single_event
from streams.wire.requests import read_record

BLOCK = 100
"""Pairs that are asked before the intervals are looked at."""
EXIT_BENT, EXIT_NOT_KNOWN = 3, 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be found out. budget_usd 0: nothing is asked. precision, margin: shares (0.03 is 3 points)."""

    sizes: tuple[int, ...]
    batches: bool
    budget_usd: float
    precision: float
    margin: float
    seed: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """The usable pairs of a file, under the call profile of the first; left_out: lines that are no such pair."""

    profile: CallProfile
    pairs: tuple[Pair, ...]
    left_out: int


def read_pairs(file: Path, settings: Settings, *, seed: int) -> Pairs:
    """The pairs in an order drawn by the seed. Errors: OSError; ValueError where there is none."""
    bodies, rejected = round_records.read_lines(file.read_bytes().split(b"\n"))
    found: list[Pair] = []
    first: CallProfile | None = None
    left_out = len(rejected)
    for body in bodies:
        pair, profile = _pair(body, settings)
        first = first or (None if pair is None else profile)
        if pair is None or profile != first:
            left_out += 1
        else:
            found.append(pair)
    if first is None:
        raise ValueError(
            f"no line of {file} is a pair that can be asked both ways (prompt_blocks with both essays under their headings) at "
            "a provider that has a key here"
        )
    Random(seed).shuffle(found)
    return Pairs(first, tuple(found), left_out)


def _pair(body: dict[str, Any], settings: Settings) -> tuple[Pair | None, CallProfile | None]:
    (member,) = read_record(single_event(body)).members
    if member.body is None:
        return None, None
    overrides = member.body.llm_config_overrides
    provider = (overrides.provider_override or settings.default_provider).lower()
    if provider not in settings.configured_providers:
        return None, None
    profile = call_profile(member, provider, overrides.model_override or settings.provider(provider).model, settings)
    source = prompt_source(member)
    other, essays = swapped(source), essay_hashes(source)
    return (None if other is None or essays is None else Pair(source, other, essays)), profile


def conduct_experiment(file: Path, wanted: Wanted, html: Path | None, *, as_json: bool) -> int:
    """Plan, and unless `html` is None ask and report; returns the exit code."""
    settings = settings_or_exit()
    try:
        read = read_pairs(file, settings, seed=wanted.seed)
        with tempfile.TemporaryDirectory(prefix="roundbatch-quality-") as folder:  # adapters write a batch's rows there
            own = settings.model_copy(update={"state_dir": Path(folder)})
            return asyncio.run(_conduct(read, own, wanted, html, as_json=as_json))
    except (OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        return 1


async def _conduct(read: Pairs, settings: Settings, wanted: Wanted, html: Path | None, *, as_json: bool) -> int:
    accounts = open_accounts(settings)
    try:
        account = accounts[read.profile.provider]
        if wanted.batches and not settings.provider(account.name).takes_batches:
            raise ValueError(f"{account.name} takes no batch jobs: use --by calls")
        asking = Asking(settings, account, read.profile, read.pairs, wanted.batches, wanted.budget_usd)
        costs = _costs(asking, wanted.sizes, wanted.seed)
        total = sum(costs.values())
        fits = (
            len(read.pairs) if html is None else min(len(read.pairs), int(len(read.pairs) * wanted.budget_usd / (total or 1)))
        )
        for said in _plan(read, costs, wanted, fits):
            typer.echo(said, err=True)
        if html is None:
            return 0
        asking.pairs = read.pairs[:fits]
        arms = await conduct(
            asking,
            wanted.sizes,
            precision=wanted.precision,
            margin=wanted.margin,
            block=BLOCK,
            seed=wanted.seed,
            say=lambda said: typer.echo(said, err=True),
        )
    finally:
        for each in accounts.values():
            await each.provider.close()
    return _report(asking, arms, wanted, html, as_json=as_json)


def _costs(asking: Asking, sizes: Sequence[int], seed: int) -> dict[str, float]:
    """About what each arm costs for all pairs, in USD, with nothing read from a cache."""
    costs: dict[str, float] = {}
    for number, line in enumerate(experiment.lines([pair.essays for pair in asking.pairs], sizes, seed=seed)):
        costs[line.arm] = costs.get(line.arm, 0.0) + asking.expected_usd(asking.ask(number, line))
    return costs


def _plan(read: Pairs, costs: dict[str, float], wanted: Wanted, fits: int) -> list[str]:
    by = "batch jobs" if wanted.batches else "calls"
    singles = sum(costs[arm] for arm in (*SINGLES, SWAPPED))
    said = [
        f"{len(read.pairs)} pairs at {read.profile.provider} {read.profile.model}, by {by}"
        + (f"; {read.left_out} lines of the file are left out" if read.left_out else ""),
        f"two single answers and a swapped one: about ${singles:.4f}",
        *(f"in bundles of {size}: about ${costs[str(size)]:.4f}" for size in wanted.sizes),
        f"all: about ${sum(costs.values()):.4f}; less if every interval is within {100 * wanted.precision:g} points before",
    ]
    if wanted.budget_usd and fits < len(read.pairs):
        said.append(f"the budget of ${wanted.budget_usd:.4f} is enough for about {fits} of them")
    return said


def _report(asking: Asking, arms: list[Arm], wanted: Wanted, html: Path, *, as_json: bool) -> int:
    singles = experiment.baseline(asking.answers)
    if not singles.pairs:
        why = ", ".join(f"{name} ({times})" for name, times in asking.failed.items()) or "the budget is too small"
        raise ValueError(f"nothing could be asked: {why}")
    told = experiment_page.Report(
        asking.account.name,
        asking.profile.model,
        "batch jobs" if asking.batches else "calls",
        len(asking.pairs),
        asking.spent_usd,
        asking.stopped,
        dict(asking.failed),
        wanted.margin,
        singles,
        tuple(arms),
    )
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(experiment_page.page(told))
    if as_json:
        typer.echo(json.dumps(shown(told)))
    else:
        for sentence in experiment_page.sentences(told):
            typer.echo(f"- {sentence}")
        typer.echo(f"the report: {html}")
    if any(arm.finding is Finding.BENT for arm in arms):
        return EXIT_BENT
    return 0 if all(arm.finding is Finding.FINE for arm in arms) else EXIT_NOT_KNOWN
