"""Waits until an account's limits let a call go, and tells them what came back. Only this knows of clocks and sleep."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from domain.reply import Usage
from providers.limits import headers
from providers.limits.account_limits import AccountLimits, AccountState
from providers.limits.charging import Size
from providers.limits.model_limits import Call
from providers.protocol import Throttled


class Admitted:
    """A call that may go. What is noted here by the end of `Limiter.admit` corrects what it is charged."""

    def __init__(self, left: Callable[[], None]) -> None:
        self.left = left  # to be called when the request goes out, after which its answer may come any time
        self.sent = False
        self.usage: Usage | None = None
        self._headers: Mapping[str, str] | None = None

    def heard(self, answer: Mapping[str, str]) -> None:
        """Note the headers of an answer."""
        self._headers = answer

    def answered(self, usage: Usage) -> None:
        """Note a good answer; tokens of 0: what it took is not known."""
        self.usage = usage if usage.prompt_tokens else None
        if self._headers is None:
            self._headers = {}

    @property
    def headers(self) -> Mapping[str, str] | None:
        """The headers of the answer; None: none came."""
        return self._headers


class Limiter:
    """The limits of one account, with calls that wait for them. Used from one event loop."""

    def __init__(
        self,
        limits: AccountLimits,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._limits, self._now_s, self._sleep = limits, now_s, sleep
        self._waiting: dict[Call, asyncio.Future[None]] = {}
        self._timer: asyncio.Task[None] | None = None
        self._timer_due_s = 0.0

    def set_share(self, share: float) -> None:
        """This worker's part of the account from now on: partitions that it holds, of all."""
        self._limits.set_share(share)
        self._let_go()

    def count_behind(self, count: Callable[[], int]) -> None:
        """Tell how many calls, at least, will be asked for beside those that wait here."""
        self._limits.behind = count

    @property
    def crowded(self) -> bool:
        """Whether calls wait, or will be asked for beside those that do."""
        return bool(self._limits.waiting or self._limits.behind())

    def state(self) -> AccountState:
        """What the metrics show."""
        return self._limits.state(self._now_s())

    def paused_s(self, model: str) -> float:
        """Seconds until calls of a model go on; 0 when they do."""
        return self._limits.model(model).paused_s(self._now_s())

    @asynccontextmanager
    async def admit(self, round_key: str, model: str, size: Size) -> AsyncIterator[Admitted]:
        """Wait until a call of this size may go; until the end of the block it counts as under way.

        A Throttled that leaves the block pauses all calls of the model. A block that does not set `sent` has taken nothing.
        """
        call = await self._admitted(round_key, model, size)
        admitted = Admitted(lambda: self._limits.left(call, self._now_s()))
        try:
            yield admitted
        except Throttled as error:
            self._limits.refused(call, self._now_s(), error.retry_after_s, headers.read(admitted.headers or {}))
            raise
        except BaseException:
            self._over(call, admitted)
            raise
        else:
            self._over(call, admitted)
        finally:
            self._let_go()

    async def _admitted(self, round_key: str, model: str, size: Size) -> Call:
        call = self._limits.ask(round_key, model, size, self._now_s())
        granted = self._waiting[call] = asyncio.get_running_loop().create_future()
        self._let_go()
        try:
            await granted
        except BaseException:
            self._waiting.pop(call, None)
            self._limits.withdrawn(call, self._now_s())
            self._let_go()
            raise
        return call

    def _over(self, call: Call, admitted: Admitted) -> None:
        now_s = self._now_s()
        if not admitted.sent:
            self._limits.withdrawn(call, now_s)
            return
        seen = None if admitted.headers is None else headers.read(admitted.headers)
        self._limits.answered(call, now_s, usage=admitted.usage, seen=seen)

    def _let_go(self) -> None:
        now_s = self._now_s()
        for call in self._limits.grants(now_s):
            granted = self._waiting.pop(call)
            self._limits.leaving(call)
            if not granted.done():  # cancelled just now: it is withdrawn when its task runs
                granted.set_result(None)
        wait_s = self._limits.next_s(now_s)
        if wait_s is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None or now_s + wait_s < self._timer_due_s:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_due_s = now_s + wait_s
            self._timer = asyncio.create_task(self._let_go_in(wait_s), name="limiter")

    async def _let_go_in(self, wait_s: float) -> None:
        await self._sleep(wait_s)
        self._timer = None
        try:
            self._let_go()
        except Exception as error:  # without this the calls would wait for ever
            for granted in self._waiting.values():
                if not granted.done():
                    granted.set_exception(error)
            raise
