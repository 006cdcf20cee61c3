"""A provider that answers at once, inside the worker's process: what is measured is the worker, not HTTP or a simulator."""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable

from domain.reply import Reply, ReplyKind, Usage
from providers.protocol import Ask, Candidate, JobPhase, JobStatus, StartRefused

_ANSWERS = tuple(
    json.dumps({"winner": winner, "justification": "Clearer structure, and the examples carry the argument.", "confidence": 4})
    for winner in ("Essay A", "Essay B")
)


class InstantProvider:
    """A providers.protocol.Provider whose batches have ended when they are first looked at."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._ids = itertools.count()
        self._batches: dict[str, tuple[str, ...]] = {}
        self.answered = 0

    @property
    def key_hash(self) -> str:
        """There is no key; any 12 hex digits do."""
        return "0" * 12

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Note the custom ids. Raises StartRefused like an adapter."""
        custom_ids = tuple(ask.custom_id for ask in asks)
        if not start():
            raise StartRefused(f"job {job_id}: no longer wanted")
        provider_job_id = f"instant-{next(self._ids)}"
        self._batches[provider_job_id] = custom_ids
        return provider_job_id

    async def look(self, provider_job_id: str) -> JobStatus:
        """The batch has ended."""
        return JobStatus(JobPhase.ENDED, "ended", answered=len(self._batches[provider_job_id]))

    async def replies(self, provider_job_id: str) -> AsyncIterator[Reply]:
        """One usable answer a row, in order; a batch is forgotten once it is read."""
        for custom_id in self._batches.pop(provider_job_id):
            yield self._answer(custom_id)

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Answer one ask."""
        return self._answer(ask.custom_id)

    def learn(self, model: str, reply: Reply) -> None:
        """Nothing is refused."""

    async def cancel(self, provider_job_id: str) -> None:
        """A batch has ended before it could be stopped."""

    async def candidates(self, claimed_ms: int) -> tuple[Candidate, ...]:
        """None."""
        return ()

    async def owner(self, provider_job_id: str) -> str | None:
        """Not known."""
        return None

    async def orphan_files(self, before_ms: int) -> tuple[str, ...]:
        """There are no files."""
        return ()

    async def delete_file(self, file_id: str) -> None:
        """There are no files."""

    async def close(self) -> None:
        """Nothing to close."""

    def _answer(self, custom_id: str) -> Reply:
        self.answered += 1
        text = _ANSWERS[self.answered % 2]
        tokens = 900 + self.answered % 997  # no two are alike, so that no price is computed only once
        raw = {"input_tokens": tokens, "output_tokens": 60, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
        return Reply(custom_id, ReplyKind.SUCCEEDED, model="instant-1", text=text, usage=Usage(tokens, 60, raw=raw))
