"""An account: a configured name, its provider, and the limiter that every call of it goes through."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from domain.reply import Reply
from providers.protocol import Ask, Provider, StartRefused, Throttled
from providers.tokens import most_tokens

log = structlog.get_logger(__name__)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
SHORTEST_WAIT_S = 0.1  # a Retry-After of 0 would be asked again in a tight loop
# A longer Retry-After is cut to this and then asked again: a wait of a day would outlive every deadline.
LONGEST_RETRY_AFTER_S = 900.0


class Limiter:
    """Bounds the concurrent calls of one account, and stops all of them while the provider says it has had too many.

    Requests and tokens a minute are not limited here; `admit` is told the tokens already, so that they can be.
    """

    def __init__(
        self,
        max_concurrent_calls: int,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._slots = asyncio.Semaphore(max_concurrent_calls)
        self._now_s = now_s
        self._sleep = sleep
        self._resume_s = float("-inf")
        self._refusals = 0  # pauses in a row without a success between them
        self._pauses = 0

    @property
    def waiting_s(self) -> float:
        """Seconds until calls go on; 0 when they do."""
        return max(0.0, self._resume_s - self._now_s())

    @asynccontextmanager
    async def admit(self, estimated_tokens: int) -> AsyncIterator[int]:
        """Hold a slot; yields the number of pauses so far, to be given back to `pause`. No slot is held while it waits."""
        while True:
            await self._wait_out_pause()
            async with self._slots:
                if self.waiting_s:  # paused while this one stood in the queue
                    continue
                yield self._pauses
                return

    async def _wait_out_pause(self) -> None:
        while wait_s := self.waiting_s:  # asked again: the pause may have been made longer meanwhile
            await self._sleep(wait_s)

    def pause(self, retry_after_s: float | None, admitted_at: int | None = None) -> float:
        """Stop all calls for the time the provider said, else 1, 2, 4 … 60 s; return the seconds until they go on.

        `admitted_at` is what `admit` yielded: the refusals of calls that were in flight together count as one, or twenty
        concurrent calls would wait a minute for the first 429.
        """
        if admitted_at is None or admitted_at == self._pauses:
            self._refusals += 1
            self._pauses += 1
        if retry_after_s is None:
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._refusals - 1, 10))
        else:
            wait_s = min(LONGEST_RETRY_AFTER_S, max(SHORTEST_WAIT_S, retry_after_s))
        self._resume_s = max(self._resume_s, self._now_s() + wait_s)
        return self.waiting_s

    def served(self) -> None:
        """Note a call that was not refused: the next refusal waits from 1 s again."""
        self._refusals = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A configured name, the provider behind it, and its limiter."""

    name: str
    provider: Provider
    limiter: Limiter

    async def call(self, ask: Ask, *, timeout_s: float, start: Callable[[], bool] = lambda: True) -> Reply:
        """Answer one ask by a call, however often it is throttled: 429 and 529 are waited out here, never planned again.

        `start` is asked directly before each attempt, and when it says False StartRefused is raised: a deadline passes, or the
        worker stops, while a call waits. Raises what `Provider.call` raises but Throttled. Cancelled while it waits, it
        has sent nothing that is still open.
        """
        tokens = most_tokens(self.provider.name, ask)
        while True:
            async with self.limiter.admit(tokens) as admitted_at:
                if not start():
                    raise StartRefused(f"call {ask.custom_id}: no longer wanted")
                try:
                    reply = await self.provider.call(ask, timeout_s=timeout_s)
                except Throttled as error:
                    wait_s = self.limiter.pause(error.retry_after_s, admitted_at)
                    log.warning("provider_throttled", account=self.name, wait_s=round(wait_s, 3), said=str(error))
                    continue
                self.limiter.served()
                return reply
