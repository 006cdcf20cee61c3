"""A worker like bench.instant_worker's that notes when a comparison came to its provider's door and when its answer was there.

    python -m bench.latency_worker NOTES

NOTES: a file that gets, when the worker stops, one JSON list a comparison: the id of its first essay, and both times in seconds
since the epoch.
"""

import json
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import agents.worker
from agents.wiring import Edges, open_edges
from bench.instant import InstantProvider
from bench.instant_worker import instant_accounts
from domain.reply import Reply
from providers.protocol import Ask
from settings.settings import Settings, load_settings
from streams import logs
from streams.kafka.outbox import Outbox

_ESSAY = re.compile(r"\*\*Essay A \(ID: ([0-9a-f-]{36})\)")


class NotingProvider(InstantProvider):
    """An instant provider that remembers when it was asked and when it answered."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._asked: dict[str, tuple[str, float]] = {}
        self.notes: list[tuple[str, float, float]] = []

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """As InstantProvider's; the door of a batch is where its create begins."""
        came_s = time.time()

        def noted() -> Iterable[Ask]:
            for ask in asks:
                self._note(ask, came_s)
                yield ask

        return await super().create(job_id, noted(), start=start, timeout_s=timeout_s)

    async def replies(self, provider_job_id: str) -> AsyncIterator[Reply]:
        """As InstantProvider's; all answers of a batch are there when the first is read."""
        there_s = time.time()
        async for reply in super().replies(provider_job_id):
            essay, came_s = self._asked.pop(reply.custom_id)
            self.notes.append((essay, came_s, there_s))
            yield reply

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """As InstantProvider's."""
        now_s = time.time()
        self._note(ask, now_s)
        essay, came_s = self._asked.pop(ask.custom_id)
        self.notes.append((essay, came_s, now_s))
        return await super().call(ask, timeout_s=timeout_s)

    def _note(self, ask: Ask, came_s: float) -> None:
        (essay,) = [found.group(1) for block in ask.blocks if (found := _ESSAY.search(block.text))]
        self._asked[ask.custom_id] = essay, came_s


class _NotingOutbox(Outbox):
    """Writes the notes when the worker stops."""

    def __init__(self, settings: Settings, providers: list[NotingProvider], notes: Path) -> None:
        super().__init__(settings)
        self._providers, self._notes = providers, notes

    async def drain(self) -> None:
        """Write them, and drain."""
        self._notes.write_text("".join(json.dumps(one) + "\n" for provider in self._providers for one in provider.notes))
        await super().drain()


def main(notes: Path) -> None:
    """Run the worker by the environment's settings until SIGTERM."""
    settings = load_settings()
    logs.configure(settings.log_level, for_good=True)

    def edges(settings: Settings) -> Edges:
        accounts = instant_accounts(settings, NotingProvider)
        providers = [account.provider for account in accounts.values() if isinstance(account.provider, NotingProvider)]
        return open_edges(settings, _NotingOutbox(settings, providers, notes), accounts)

    agents.worker.main(settings, edges)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
