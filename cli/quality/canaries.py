"""`roundbatch quality canaries`: asks some of one's own pairs again each day, to see that a model judges as it did."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import typer

from agents.accounts.open import open_accounts
from cli.config import settings_or_exit
from cli.quality.asking import Asking, Pair
from cli.quality.conducting import Pairs, read_pairs
from cli.quality.plots import points
from cli.quality.shown import shown
from cli.words import counted
from domain.canaries import A_DAY, FROZEN, Drift, drift, due, steady
from domain.experiment import Line, Series, Way
from settings.settings import Settings

EXIT_DRIFTED = 3
MOST_PAIRS = 96


@dataclass(frozen=True, slots=True)
class Round:
    """One day's answers (pair → A or B)."""

    day: str
    answers: dict[str, str]


@dataclass(slots=True)
class State:
    """What is kept between two runs. frozen: pair → its nine answers as letters."""

    provider: str
    model: str
    since: str
    frozen: dict[str, str]
    rounds: list[Round] = field(default_factory=list)
    spent_usd: float = 0.0


def read_state(file: Path) -> State:
    """Errors: ValueError where it is none, OSError."""
    try:
        state = msgspec.json.decode(file.read_bytes(), type=State)
        asked = steady(state.frozen)
    except FileNotFoundError:
        raise ValueError(f"{file} does not exist: begin with --freeze") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(f"{file} holds no state of canaries: {error}") from None
    for one in state.rounds:
        if not (one.answers.keys() <= asked.keys() and {"A", "B"}.issuperset(one.answers.values())):
            raise ValueError(
                f"{file} holds no state of canaries: on {one.day} it has answers to other pairs, or other than A and B"
            )
    return state


def write_state(file: Path, state: State) -> None:
    """Write it whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    new.write_text(json.dumps(asdict(state), indent=1))
    new.replace(file)


def key_of(pair: Pair) -> str:
    """Names a pair by its prompt, so that a changed file is noticed."""
    return hashlib.blake2b(pair.source.user_prompt.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def conduct_canaries(file: Path, state: Path, *, freeze: bool, batch: bool, budget_usd: float, as_json: bool) -> int:
    """Freeze, or ask the day's pairs and report; returns the exit code."""
    settings = settings_or_exit()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    try:
        read = read_pairs(file, settings, seed=0)
        pairs = {key_of(pair): pair for pair in read.pairs[:MOST_PAIRS]}
        known = None if freeze else read_state(state)
        if known is not None and known.rounds and known.rounds[-1].day == today:
            return _report(known, settings, as_json=as_json)
        made = asyncio.run(_run(read, pairs, settings, known, today, batch=batch, budget_usd=budget_usd))
    except (OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        return 1
    write_state(state, made)
    return _report(made, settings, as_json=as_json)


async def _run(
    read: Pairs, pairs: dict[str, Pair], settings: Settings, known: State | None, today: str, *, batch: bool, budget_usd: float
) -> State:
    """Errors: ValueError where nothing could be asked, or the file or the model is another than was frozen."""
    if known is not None and (known.provider, known.model) != (read.profile.provider, read.profile.model):
        asked = f"{read.profile.provider} {read.profile.model}"
        raise ValueError(f"frozen was {known.provider} {known.model}, and the file asks {asked}: begin anew with --freeze")
    wanted = list(pairs) if known is None else due(list(steady(known.frozen)), len(known.rounds))
    lost = [key for key in wanted if key not in pairs]
    if lost:
        raise ValueError(f"{len(lost)} frozen pairs are not in the file any more: begin anew with --freeze")
    way, times = Way(batch=batch), FROZEN if known is None else 1
    with tempfile.TemporaryDirectory(prefix="roundbatch-quality-") as folder:  # adapters write a batch's rows there
        own = settings.model_copy(update={"state_dir": Path(folder)})
        accounts = open_accounts(own)
        try:
            account = accounts[read.profile.provider]
            if batch and not own.provider(account.name).takes_batches:
                raise ValueError(f"{account.name} takes no batch jobs: use --by calls")
            asking = Asking(own, account, read.profile, [way], [pairs[key] for key in wanted], budget_usd)
            lines = [Line(Series(way, nth), (place,)) for nth in range(times) for place in range(len(wanted))]
            await asking.run(enumerate(lines))
        finally:
            for each in accounts.values():
                await each.provider.close()
    answers = {
        key: "".join(
            "A" if of[place].a_won else "B" for nth in range(times) if place in (of := asking.answers[Series(way, nth)])
        )
        for place, key in enumerate(wanted)
    }
    whole = {key: said for key, said in answers.items() if len(said) == times}
    if not whole:
        raise ValueError(f"nothing could be asked: {asking.why_nothing()}")
    if len(whole) < len(wanted):
        typer.echo(f"{len(wanted) - len(whole)} of {len(wanted)} pairs are left out, for answers are missing", err=True)
    if known is None and not steady(whole):
        raise ValueError(f"no pair was answered alike {FROZEN} times: take pairs that are less close")
    if known is None:
        return State(read.profile.provider, read.profile.model, today, whole, [], asking.spent_usd)
    known.rounds.append(Round(today, whole))
    known.spent_usd += asking.spent_usd
    return known


def _report(state: State, settings: Settings, *, as_json: bool) -> int:
    found = drift(state.frozen, [one.answers for one in state.rounds], false_alarms=settings.quality.false_alarms)
    if as_json:
        told: dict[str, Any] = {"provider": state.provider, "model": state.model, "since": state.since, "sounds": found.sounds}
        typer.echo(json.dumps({**told, "pairs": len(state.frozen), "spent_usd": state.spent_usd, **shown(found)}))
    else:
        for sentence in sentences(state, found):
            typer.echo(f"- {sentence}")
    return EXIT_DRIFTED if found.sounds else 0


def sentences(state: State, found: Drift) -> list[str]:
    """What a person needs to know."""
    name = f"{state.provider} {state.model}"
    frozen = f"{len(state.frozen)} pairs of {name} were asked {FROZEN} times on {state.since}"
    if not found.answers:
        asked = f"from tomorrow on ask {min(A_DAY, found.steady)} of them each day by the same command"
        return [f"{frozen}; {found.steady} were always answered alike: {asked}."]
    of_100 = points(found.differ, signed=False)
    return [
        f"{name} judges otherwise than it did." if found.sounds else f"{name} is not seen to judge otherwise than it did.",
        f"{of_100} of 100 answers in {counted(found.rounds, 'round')} differ from what was frozen; by noise alone at most "
        f"{100 * found.noise:.1f} would. The evidence is 10^{found.log10:.1f}, and the alarm sounds at "
        f"10^{found.threshold_log10:.1f}.",
        f"{frozen}, {found.steady} of them always answered alike, and asked since; ${state.spent_usd:.4f} spent.",
    ]
