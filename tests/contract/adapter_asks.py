"""What the adapters are asked in the contract tests, and what they report."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from domain.providers import PROVIDERS
from domain.reply import Reply
from providers.anthropic.adapter import AnthropicProvider
from providers.google.adapter import GoogleProvider
from providers.openai.adapter import OpenAIProvider
from providers.openrouter.adapter import OpenRouterProvider
from providers.prompts.prompts import PromptSource, SourceBlock, prompt_blocks
from providers.protocol import Ask, JobPhase, PromptBlock, Provider, StartRefused
from simulator.control import SimulatorControl

CONTEXT = "**Assessment Criteria:**\n" + "Content, structure, language. " * 100  # above the shortest cached prefix
MODELS = {
    "anthropic": "claude-haiku-5-5",
    "openai": "gpt-6-luna",
    "google": "gemini-3.8-flash",
    "openrouter": "anthropic/claude-haiku-5.5",
}
DOWNLOAD = {"anthropic": "batches.results", "openai": "files.content", "google": "files.content"}  # of an ended batch's rows
LONG_S = 20.0
AnyAdapter = AnthropicProvider | OpenAIProvider | GoogleProvider
ADAPTERS: dict[str, type[AnyAdapter]] = {
    "anthropic": AnthropicProvider,
    "openai": OpenAIProvider,
    "google": GoogleProvider,
    "openrouter": OpenRouterProvider,
}
BATCHERS = tuple(name for name in ADAPTERS if PROVIDERS[name].batches)  # those that take batch jobs
# Opens a provider with a key of the test's own.
Open = Callable[..., AnyAdapter]


def base_url_of(simulator: SimulatorControl, kind: str) -> str:
    """Where the simulator speaks the API of a provider."""
    return {"openai": simulator.openai_url, "openrouter": simulator.openrouter_url}.get(kind, simulator.base_url)


class Counts:
    """What the adapters report to their callbacks."""

    def __init__(self) -> None:
        self.http: Counter[tuple[str, str]] = Counter()
        self.dropped: Counter[tuple[str, str]] = Counter()

    def on_http(self, operation: str, status: str) -> None:
        self.http[operation, status] += 1

    def on_dropped(self, parameter: str, model: str) -> None:
        self.dropped[parameter, model] += 1


def ask_of(kind: str, number: int = 0, text: str = "", **changes: Any) -> Ask:
    """Essay B is the better one; the tags of `text` stand in essay A."""
    essays = f"**Essay A (ID: a{number}):**\nFirst {number}. [quality:0.2] {text} Smörgås\u2028bord."
    blocks = (
        SourceBlock(CONTEXT, cacheable=True),
        SourceBlock(essays),
        SourceBlock(f"**Essay B (ID: b{number}):**\nSecond. [quality:0.7]"),
        SourceBlock("Pick the better essay.", cacheable=True),
    )
    source = PromptSource("\n\n".join(block.content for block in blocks), blocks)
    values: dict[str, Any] = {"model": MODELS[kind], "system": "Judge.", "max_tokens": 300, **changes}
    return Ask(custom_id=f"job-1-{number}", blocks=prompt_blocks(source), **values)


def asks_of(kind: str, count: int, text: str = "") -> list[Ask]:
    return [ask_of(kind, number, text) for number in range(count)]


async def submit(provider: Provider, asks: list[Ask], timeout_s: float = LONG_S) -> str:
    return await provider.create("job-1", asks, start=lambda: True, timeout_s=timeout_s)


async def look_for(provider: Provider, job_id: str, claimed_ms: int) -> tuple[str | None, int]:
    """The batch of a job by what lost jobs are found by, and how many batches of its time do not tell yet whose they are."""
    untold = 0
    for candidate in await provider.candidates(claimed_ms):
        owner = candidate.job_id
        if owner is None and candidate.ended:
            owner = await provider.owner(candidate.provider_job_id)
        if owner == job_id:
            return candidate.provider_job_id, untold
        untold += owner is None
    return None, untold


async def replies_of(provider: Provider, job: str) -> dict[str, Reply]:
    rows = [reply async for reply in provider.replies(job)]
    replies = {reply.custom_id: reply for reply in rows}
    assert len(replies) == len(rows)
    return replies


async def run(provider: Provider, asks: list[Ask]) -> dict[str, Reply]:
    job = await submit(provider, asks)
    assert (await provider.look(job)).phase is JobPhase.ENDED
    return await replies_of(provider, job)


def now_ms() -> int:
    return int(time.time() * 1000)


def _asks_under(provider: AnyAdapter, job: str, count: int) -> list[Ask]:
    texts = (f"Compare {job} {number}." for number in range(count))
    return [
        Ask(f"{job}-{number}", MODELS[provider.name], "Judge.", (PromptBlock(text),), 300) for number, text in enumerate(texts)
    ]


async def submit_as(provider: AnyAdapter, job: str, count: int = 2, timeout_s: float = LONG_S) -> str:
    """Create a batch of so many asks under a job id."""
    return await provider.create(job, _asks_under(provider, job, count), start=lambda: True, timeout_s=timeout_s)


async def upload_alone(provider: AnyAdapter, job: str) -> None:
    """Upload the file of a batch that is then not created."""
    with pytest.raises(StartRefused):
        await provider.create(job, _asks_under(provider, job, 1), start=lambda: False, timeout_s=LONG_S)
