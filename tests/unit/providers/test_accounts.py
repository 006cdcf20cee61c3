"""The limiter and the waiting out of 429 and 529, on a clock that only the test moves."""

import asyncio
from collections.abc import Sequence

import pytest

from domain.reply import Reply, ReplyKind
from providers.account import Account
from providers.limits.account_limits import only_concurrent
from providers.limits.charging import Size
from providers.limits.limiter import Limiter
from providers.protocol import Ask, PromptBlock, Provider, ProviderDown, StartRefused, Throttled


class Clock:
    """Time that passes when somebody sleeps; `slept` keeps what was asked for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def now_s(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.now + seconds
        await asyncio.sleep(0)  # the others go to sleep as well, before time goes on
        self.now = max(self.now, until)


class Script:
    """A provider whose calls end as the script says: a retry-after to be throttled with, an error, or a reply."""

    name = "openai"

    def __init__(self, *script: float | Exception | str | None) -> None:
        self.script = list(script)
        self.calls = self.running = self.most_running = 0

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        self.calls += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        step = self.script.pop(0) if self.script else "ok"
        for _ in range(3):
            await asyncio.sleep(0)
        self.running -= 1
        if isinstance(step, str):
            return Reply(ask.custom_id, ReplyKind.SUCCEEDED)
        raise step if isinstance(step, Exception) else Throttled("429", step)


def ask(name: str = "c-0") -> Ask:
    return Ask(name, "m", "s", (PromptBlock("p"),), 10)


def account_of(script: Script, clock: Clock, slots: int = 4) -> Account:
    provider: Provider = script  # type: ignore[assignment]
    return Account("school", provider, Limiter(only_concurrent(slots), now_s=clock.now_s, sleep=clock.sleep))


@pytest.mark.parametrize(
    ("script", "slept"),
    [
        (["ok"], []),
        ([7.5, "ok"], [7.5]),  # the provider's word
        ([None, None, None, "ok"], [1.0, 2.0, 4.0]),
        ([None] * 8 + ["ok"], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]),
        ([100_000.0, "ok"], [900.0]),  # asked again after a quarter of an hour
        ([0.0, "ok"], [0.1]),
    ],
)
async def test_a_throttled_call_waits_and_is_made_again(script: Sequence[float | str | None], slept: list[float]) -> None:
    clock = Clock()
    provider = Script(*script)
    reply = await account_of(provider, clock).call(ask(), timeout_s=5)
    assert reply.kind is ReplyKind.SUCCEEDED
    assert clock.slept == pytest.approx(slept)
    assert provider.calls == len(script)


async def test_after_a_success_the_wait_starts_from_one_second_again() -> None:
    clock = Clock()
    account = account_of(Script(None, None, "ok", None, "ok"), clock)
    await account.call(ask(), timeout_s=5)
    await account.call(ask(), timeout_s=5)
    assert clock.slept == [1.0, 2.0, 1.0]


async def test_calls_refused_together_count_as_one_refusal_and_all_wait() -> None:
    clock = Clock()
    provider = Script(None, None, None)
    account = account_of(provider, clock, slots=3)
    replies = await asyncio.gather(*(account.call(ask(f"c-{n}"), timeout_s=5) for n in range(6)))
    assert [reply.custom_id for reply in replies] == [f"c-{n}" for n in range(6)]
    assert clock.now == 101.0
    assert provider.calls == 9


async def test_nobody_is_admitted_during_a_pause() -> None:
    clock = Clock()
    provider = Script(30.0, 5.0)  # the shorter one, which comes second, does not shorten the pause
    account = account_of(provider, clock, slots=2)
    await asyncio.gather(*(account.call(ask(f"c-{n}"), timeout_s=5) for n in range(2)))
    assert (clock.slept, provider.calls) == ([30.0], 4)
    assert account.limiter.paused_s("m") == 0


async def test_no_more_calls_at_once_than_slots() -> None:
    provider = Script()
    account = account_of(provider, Clock(), slots=2)
    await asyncio.gather(*(account.call(ask(f"c-{n}"), timeout_s=5) for n in range(7)))
    assert provider.most_running == 2


async def test_other_failures_go_up_and_free_the_slot() -> None:
    account = account_of(Script(ProviderDown("503")), Clock(), slots=1)
    with pytest.raises(ProviderDown):
        await account.call(ask(), timeout_s=5)
    assert (await account.call(ask(), timeout_s=5)).kind is ReplyKind.SUCCEEDED


async def test_a_call_that_is_no_longer_wanted_after_its_wait_is_not_made() -> None:
    clock = Clock()
    provider = Script(20.0)
    with pytest.raises(StartRefused):
        await account_of(provider, clock).call(ask(), timeout_s=5, start=lambda: clock.now < 110)
    assert provider.calls == 1


async def test_a_cancelled_wait_leaves_the_slots_free() -> None:
    account = account_of(Script(), Clock(), slots=1)
    async with account.limiter.admit("r", "m", Size(1, 1)):
        waiting = asyncio.create_task(account.call(ask(), timeout_s=5))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (await account.call(ask(), timeout_s=5)).kind is ReplyKind.SUCCEEDED
