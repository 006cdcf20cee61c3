"""`roundbatch quality experiment`: reads the pairs, says what it costs, asks, and reports."""

import asyncio
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import typer

from agents.accounts.open import open_accounts
from agents.planning.resolve import call_profile, prompt_source
from cli import round_records
from cli.config import settings_or_exit
from cli.quality.asking import Asking, Goal, Pair, conduct
from cli.quality.experiment_page import page
from cli.quality.experiment_words import Report, sentences
from cli.quality.shown import shown
from domain import experiment
from domain.comparison import CallProfile
from domain.evidence import Finding
from domain.experiment import Way
from domain.experiment_findings import Found
from domain.job import Layout
from providers.prompts.layouts import essay_hashes
from providers.prompts.swapping import swapped
from settings.settings import Settings
from streams.wire.request_events import single_event
from streams.wire.requests import read_record

EXIT_BENT, EXIT_NOT_KNOWN = 3, 4


@dataclass(frozen=True, slots=True)
class Choice:
    """Which ways of asking are compared. layouts: none for the one that the account's settings say."""

    sizes: tuple[int, ...]
    layouts: tuple[Layout, ...]
    calls: bool
    batches: bool
    reasons_first: bool

    def ways(self, set_layout: Layout) -> list[Way]:
        """The ways, with `set_layout` for the account's."""
        transports = {"calls": self.calls, "batches": self.batches}
        return experiment.ways(self.sizes, self.layouts or (set_layout,), **transports, reasons_first=self.reasons_first)


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


def conduct_experiment(file: Path, choice: Choice, goal: Goal, html: Path | None, *, as_json: bool) -> int:
    """Plan, and unless `html` is None ask and report; returns the exit code."""
    settings = settings_or_exit()
    try:
        read = read_pairs(file, settings, seed=goal.seed)
        with tempfile.TemporaryDirectory(prefix="roundbatch-quality-") as folder:  # adapters write a batch's rows there
            own = settings.model_copy(update={"state_dir": Path(folder)})
            asking, found = asyncio.run(_conduct(read, own, choice, goal, asks=html is not None))
        if html is None:
            return 0
        if found is None or not found.singles[0].pairs:
            raise ValueError(f"nothing could be asked: {asking.why_nothing()}")
        return _report(asking, found, goal, html, as_json=as_json)
    except (OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        return 1


async def _conduct(read: Pairs, settings: Settings, choice: Choice, goal: Goal, *, asks: bool) -> tuple[Asking, Found | None]:
    accounts = open_accounts(settings)
    try:
        account = accounts[read.profile.provider]
        block = settings.provider(account.name)
        if choice.batches and not block.takes_batches:
            raise ValueError(f"{account.name} takes no batch jobs: use --by calls")
        ways = choice.ways(block.bundle_layout)
        asking = Asking(settings, account, read.profile, ways, read.pairs, goal.budget_usd)
        costs = _costs(asking, goal.seed)
        fits, total_usd = len(read.pairs), sum(costs.values())
        if asks and total_usd > goal.budget_usd:
            fits = int(fits * goal.budget_usd / total_usd)
        for said in _plan(read, costs, goal, fits):
            typer.echo(said, err=True)
        asking.pairs = read.pairs[:fits]
        return asking, await conduct(asking, goal, lambda said: typer.echo(said, err=True)) if asks and fits else None
    finally:
        for each in accounts.values():
            await each.provider.close()


def _costs(asking: Asking, seed: int) -> dict[Way, float]:
    """About what each way costs for all pairs, in USD, with nothing read from a cache."""
    costs: dict[Way, float] = dict.fromkeys(asking.ways, 0.0)
    essays = [pair.essays for pair in asking.pairs]
    for number, line in enumerate(experiment.lines(essays, asking.ways, seed=seed)):
        way = line.series.way
        ask, _ = asking.ask(number, line)
        costs[way] += asking.expected_usd(ask, batch=way.batch)
    return costs


def _plan(read: Pairs, costs: dict[Way, float], goal: Goal, fits: int) -> list[str]:
    total, pilot = sum(costs.values()), min(experiment.pilot(costs), fits)
    said = [
        f"{len(read.pairs)} pairs at {read.profile.provider} {read.profile.model}"
        + (f"; {read.left_out} lines of the file are left out" if read.left_out else ""),
        "single answers are asked twice and once with the essays swapped, bundles twice with other slots:",
        *(f"{way.words}: about ${costs[way]:.4f}" for way in costs),
        f"all: about ${total:.4f}; less if every interval is within {100 * goal.precision:g} points before",
        f"the first {pilot} of them, about ${total * pilot / len(read.pairs):.4f}, tell how "
        "noisy the judge is, and so how many pairs it takes",
    ]
    if goal.budget_usd and fits < len(read.pairs):
        said.append(f"the budget of ${goal.budget_usd:.4f} is enough for about {fits} of them")
    return said


def _report(asking: Asking, found: Found, goal: Goal, html: Path, *, as_json: bool) -> int:
    told = Report(
        asking.account.name,
        asking.profile.model,
        len(asking.pairs),
        len({essay for pair in asking.pairs for essay in pair.essays}),
        asking.spent_usd,
        asking.stopped,
        dict(asking.failed),
        tuple((way, dict(used)) for way, used in asking.sent_as.items()),
        goal.margin,
        found,
    )
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(page(told))
    if as_json:
        typer.echo(json.dumps(shown(told)))
    else:
        for sentence in sentences(told):
            typer.echo(f"- {sentence}")
        typer.echo(f"the report: {html}")
    findings = [arm.finding for arm in found.arms if arm.way.size > 1]
    if Finding.BENT in findings:
        return EXIT_BENT
    return EXIT_NOT_KNOWN if Finding.NOT_KNOWN in findings else 0
