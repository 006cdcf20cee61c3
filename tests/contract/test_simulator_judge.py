"""A simulated judge with traits judges alike through every API, in calls and batches, and tells what is planted in it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from domain.answer import Answer
from domain.comparison import CallProfile
from domain.reply import Reply, judge_bundle
from providers.prompts.prompts import PromptSource, SourceBlock, ask_for_bundle
from simulator.control import SimulatorControl
from simulator.judge import Pair, Verdict
from simulator.judging import judge_line
from simulator.traits import JudgeTraits
from tests.contract.adapter_asks import ADAPTERS, BATCHERS, CONTEXT, LONG_S, MODELS, AnyAdapter, base_url_of, run
from tests.harness.forked import forked_simulator

SEED = 7
TRAITS = JudgeTraits(judge_slope=4, retest=0.6, position_bias=0.6, bundle_shift=0.05, slot_noise=0.2, line_garbled=0.1)
ESSAYS = {number: f"Essay {number}. [quality:{number / 12}]" for number in range(12)}
SIZE = 8
LINES = [[(line, (line + slot + 1) % 12) for slot in range(SIZE)] for line in range(12)]


@contextmanager
def simulator() -> Iterator[SimulatorControl]:
    with forked_simulator(seed=SEED, **TRAITS.model_dump(exclude_unset=True)) as control:
        yield control


@asynccontextmanager
async def opened(control: SimulatorControl, kind: str) -> AsyncIterator[AnyAdapter]:
    provider = ADAPTERS[kind]("k", base_url=base_url_of(control, kind))
    yield provider
    await provider.close()


def source(a: int, b: int) -> PromptSource:
    blocks = (
        SourceBlock(CONTEXT, cacheable=True),
        SourceBlock(f"**Essay A (ID: e{a}):**\n{ESSAYS[a]}"),
        SourceBlock(f"**Essay B (ID: e{b}):**\n{ESSAYS[b]}"),
        SourceBlock("Pick the better essay.", cacheable=True),
    )
    return PromptSource("\n\n".join(block.content for block in blocks), blocks)


def judged(times: int) -> list[list[Verdict]]:
    """What the judge says to each line, asked for this time (0: the first)."""
    of_lines = [[Pair(f"e{a}", ESSAYS[a], f"e{b}", ESSAYS[b]) for a, b in line] for line in LINES]
    return [judge_line(line, [times] * SIZE, TRAITS, seed=SEED, now=0.0) for line in of_lines]


def read(reply: Reply) -> list[tuple[str, int | None]]:
    answers = judge_bundle(reply, SIZE)
    return [(answer.winner[-1], answer.confidence) for answer in answers if isinstance(answer, Answer)]


def plain(lines: list[list[Verdict]]) -> list[list[tuple[str, int]]]:
    return [[(verdict.winner, verdict.confidence) for verdict in line] for line in lines]


@pytest.mark.parametrize("kind", ADAPTERS)
async def test_it_judges_alike_through_every_api_and_draws_anew_when_asked_again(kind: str) -> None:
    profile = CallProfile(kind, MODELS[kind], "topic", "Judge.")
    asks = [
        ask_for_bundle(f"job-1-{n}", [source(*pair) for pair in line], profile, layout="auto", default_max_tokens=300)[0]
        for n, line in enumerate(LINES)
    ]
    with simulator() as control:
        async with opened(control, kind) as provider:
            called = [read(await provider.call(ask, timeout_s=LONG_S)) for ask in asks]
            assert called == plain(judged(times=0))
            if kind in BATCHERS:
                replies = await run(provider, asks)
                assert [read(replies[ask.custom_id]) for ask in asks] == plain(judged(times=1)) != called


async def test_the_truth_is_told_until_a_reset() -> None:
    profile = CallProfile("anthropic", MODELS["anthropic"], "topic", "Judge.")
    with simulator() as control:
        assert control.truth()["pairs"] == 0
        async with opened(control, "anthropic") as provider:
            for line in LINES:
                sources = [source(*pair) for pair in line]
                ask, _ = ask_for_bundle("job-1-0", sources, profile, layout="auto", default_max_tokens=300)
                await provider.call(ask, timeout_s=LONG_S)
        truth = control.truth()
        control.reset()
        assert control.truth()["pairs"] == 0
    assert truth["judge"] == TRAITS.model_dump()
    assert truth["essays"]["e3"] == 0.25
    assert truth["pairs"] == len(LINES) * SIZE
    bundles = truth["expected"]["bundles"]
    assert set(bundles) == {"8"}
    assert bundles["8"]["shift"] > 0.02
    assert bundles["8"]["excess"] > 0.02
    assert truth["expected"]["position"] > 0.02
    assert 0 < truth["expected"]["retest"] < truth["expected"]["flip"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("retest=1", "retest is 1.0 without judge_slope; set judge_slope"),
        ("retest=2", "retest: Input should be less than or equal to 1"),
        ("sharpness=2", "sharpness: Extra inputs are not permitted"),
    ],
)
def test_the_command_says_what_is_wrong_with_a_trait(given: str, says: str, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["simulator", "--port", "0", "--ledger", str(tmp_path / "l"), "--judge", given])
    assert ended.exit_code == 78
    assert says in " ".join(ended.output.split())
