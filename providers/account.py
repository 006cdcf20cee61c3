"""An account: a configured name, its provider, and the limiter that every call of it goes through."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from domain.reply import Reply
from providers.http.transport import hearing
from providers.limits.limiter import Limiter
from providers.prompts.tokens import size_of
from providers.protocol import Ask, Provider, StartRefused, Throttled

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """A configured name, the provider behind it, and its limiter."""

    name: str
    provider: Provider
    limiter: Limiter

    async def call(self, ask: Ask, *, timeout_s: float, start: Callable[[], bool] = lambda: True, round_key: str = "") -> Reply:
        """Answer one ask by a call, however often it is throttled: 429 and 529 are waited out here, never planned again.

        `start` is asked directly before each attempt, and when it says False StartRefused is raised: a deadline passes, or the
        worker stops, while a call waits. Calls of different rounds wait side by side, those of one round in a queue.
        Raises what `Provider.call` raises but Throttled. Cancelled while it waits, it has sent nothing that is still open.
        """
        size = size_of(self.provider.name, ask)
        while True:
            try:
                async with self.limiter.admit(round_key, ask.model, size) as admitted:
                    if not start():
                        raise StartRefused(f"call {ask.custom_id}: no longer wanted")
                    admitted.sent = True
                    with hearing(admitted):
                        reply = await self.provider.call(ask, timeout_s=timeout_s)
                    admitted.answered(reply.usage)
                    return reply
            except Throttled as error:
                wait_s = self.limiter.paused_s(ask.model)
                log.warning("provider_throttled", account=self.name, wait_s=round(wait_s, 3), said=str(error))
