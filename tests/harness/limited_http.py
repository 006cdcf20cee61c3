"""Calls at one limited account over HTTP, beside another program's: the real SDKs, adapters and limiter, and the simulator.

`bench.neighbour` plays them in real time, the simulator and the stranger as processes of their own. `in_virtual_time` plays
them in one event loop, over sockets all the same.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn

from domain.reply import ReplyKind
from providers.account import Account
from providers.anthropic.adapter import AnthropicProvider
from providers.limits.account_limits import AccountLimits
from providers.limits.charging import Charging
from providers.limits.limiter import Limiter
from providers.openai.adapter import OpenAIProvider
from providers.protocol import Ask, PromptBlock, Throttled
from simulator.clock import RealClock
from simulator.ledger import key_hash
from simulator.limits import Limits
from simulator.prices import BYTES_PER_TOKEN
from simulator.server import create_app
from simulator.settings import SimulatorSettings
from tests.harness.limited_account import STRANGER_S, Stranger
from tests.harness.virtual_time import VirtualTimeLoop

MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna"}
PROVIDERS: dict[str, type[AnthropicProvider | OpenAIProvider]] = {"anthropic": AnthropicProvider, "openai": OpenAIProvider}
OURS, HIS = "our-key", "his-key"  # of one workspace, so that both are under the same limits
LATENCY_S = 1.6
MAX_TOKENS = 400
TIMEOUT_S = 600.0
EPOCH_S = 1_795_000_000.0


@dataclass(frozen=True)
class Scene:
    """So many calls of a worker at an account; its minute lasts limits.minute_s, and the stranger's times are scaled with it.

    Its limits are learnt. at_end: the headers show the limits at the end of a call.
    """

    kind: str
    calls: int
    limits: Limits
    stranger: Stranger | None = None
    at_end: bool = False
    seed: int = 0

    @property
    def scale(self) -> float:
        """Seconds of the play in a second of the scene."""
        return self.limits.minute_s / 60.0

    @property
    def simulated(self) -> dict[str, Any]:
        """The simulator's settings."""
        return {
            "requests_per_minute": self.limits.requests,
            "tokens_per_minute": self.limits.tokens,
            "minute_s": self.limits.minute_s,
            "latency_s": LATENCY_S * self.scale,
            "latency_sigma": 0.2,
            "headers_at_end": self.at_end,
            "judge_error_rate": 0.0,
        }

    def provider(self, api_key: str, url: str) -> AnthropicProvider | OpenAIProvider:
        """A client of the simulator at `url`."""
        return PROVIDERS[self.kind](api_key, base_url=f"{url}/v1" if self.kind == "openai" else url)

    def ask(self, name: str, tokens: int) -> Ask:
        """A prompt that the simulator counts as so many tokens, give or take the few around it."""
        words = f"{name}: which of the two is better? " + "Words. " * (tokens * BYTES_PER_TOKEN // len("Words. "))
        return Ask(name, MODELS[self.kind], "Judge.", (PromptBlock(words),), MAX_TOKENS)


@asynccontextmanager
async def worker(scene: Scene, url: str, now_s: Callable[[], float] = time.monotonic) -> AsyncIterator[Account]:
    """A worker's account at the simulator at `url`."""
    limits = AccountLimits(Charging(scene.kind), concurrent_calls=16, minute_s=scene.limits.minute_s)
    account = Account(scene.kind, scene.provider(OURS, url), Limiter(limits, now_s=now_s))
    try:
        yield account
    finally:
        await account.provider.close()


async def ours(scene: Scene, account: Account) -> int:
    """Make the worker's calls, all asked for at once; the tokens that they took of the limit."""
    drawn = random.Random(scene.seed)
    asks = [scene.ask(f"ours-{number}", drawn.randint(1_300, 2_900)) for number in range(scene.calls)]
    replies = await asyncio.gather(
        *(account.call(ask, timeout_s=TIMEOUT_S, round_key=f"round-{number // 12}") for number, ask in enumerate(asks))
    )
    assert {reply.kind for reply in replies} == {ReplyKind.SUCCEEDED}
    return sum(reply.usage.prompt_tokens for reply in replies)


async def his(scene: Scene, url: str) -> None:
    """Be the stranger, until this is cancelled: each call when it is due, and none again."""
    assert scene.stranger is not None
    loop = asyncio.get_running_loop()
    started_s, provider = loop.time(), scene.provider(HIS, url)

    async def call(ask: Ask) -> None:
        try:
            await provider.call(ask, timeout_s=TIMEOUT_S)
        except Throttled:
            return

    in_a_minute_of_60_s = Limits(scene.limits.requests, scene.limits.tokens)
    due = scene.stranger.calls(in_a_minute_of_60_s, STRANGER_S, random.Random(scene.seed + 1))
    try:
        async with asyncio.TaskGroup() as calls:
            for number, (at_s, tokens) in enumerate(due):
                await asyncio.sleep(started_s + at_s * scene.scale - loop.time())
                calls.create_task(call(scene.ask(f"his-{number}", tokens)))
    finally:
        await provider.close()


def be_the_stranger(scene: Scene, url: str) -> None:
    """Be the stranger until the process is ended."""
    asyncio.run(his(scene, url))


@dataclass(frozen=True)
class Shown:
    """What the simulator's ledger shows of a play, from the first of our calls until the last one was let in.

    used: of the tokens that the stranger left.
    """

    used: float
    refused: int
    his_calls: int
    his_refused: int

    @classmethod
    def by(cls, scene: Scene, calls: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]], tokens: int) -> "Shown":
        """Of all calls and paid items of the ledger; `tokens` are those of our calls."""
        calls = list(calls)
        our_calls = [call for call in calls if call["key_hash"] == key_hash(OURS)]
        first_s, last_s = our_calls[0]["at"], our_calls[-1]["at"]
        his_calls = [call for call in calls if call["key_hash"] == key_hash(HIS) and first_s <= call["at"] <= last_s]
        taken = sum(item["input_tokens"] for item in items if first_s <= item["at"] <= last_s) - tokens
        assert scene.limits.tokens is not None
        return cls(
            used=tokens / (scene.limits.tokens * (1.0 + (last_s - first_s) / scene.limits.minute_s) - taken),
            refused=sum(call["status"] == 429 for call in our_calls),
            his_calls=len(his_calls),
            his_refused=sum(call["status"] == 429 for call in his_calls),
        )


def in_virtual_time(scene: Scene) -> Shown:
    """Play a scene without waiting for it."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_played(scene))


class _LoopClock(RealClock):
    """The simulator's clock: that of the event loop, in which its sleeps are the loop's own."""

    def now(self) -> float:
        return EPOCH_S + asyncio.get_running_loop().time() + self._ahead_s


async def _played(scene: Scene) -> Shown:
    app = create_app(SimulatorSettings(**scene.simulated), _LoopClock())
    async with _served(app) as url, worker(scene, url, asyncio.get_running_loop().time) as account:
        stranger = None if scene.stranger is None else asyncio.create_task(his(scene, url))
        tokens = await ours(scene, account)
        if stranger is not None:
            stranger.cancel()
            with suppress(asyncio.CancelledError):
                await stranger  # raises what his calls met, but for refusals
        ledger = app.state.simulation.ledger
        return Shown.by(scene, ledger.rows("calls"), ledger.rows("items"), tokens)


@asynccontextmanager
async def _served(app: Any) -> AsyncIterator[str]:
    """An ASGI application on a port of 127.0.0.1, served by the loop that runs."""
    config = uvicorn.Config(app, port=0, log_level="warning", timeout_keep_alive=10**6, timeout_graceful_shutdown=1)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()
