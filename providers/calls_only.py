"""What a provider without batch jobs says to the verbs of batches: an error that tells so, and never anything silent."""

from collections.abc import AsyncGenerator, Callable, Iterable

from domain.reply import Reply
from providers.protocol import Ask, Candidate, ContentRefused, JobStatus


class CallsOnly:
    """The batch verbs of `providers.protocol.Provider` for a provider that has none.

    No plan of a batch is made for such a provider (`domain.providers.ProviderRow.batches`). One that reaches `create` all the
    same ends in errors that say why.
    """

    name: str

    def _refusal(self) -> ContentRefused:
        return ContentRefused(
            f"{self.name} takes no batch jobs in this worker: its strategy must be serial_bundle or per_request"
        )

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Refuse; nothing is sent."""
        raise self._refusal()

    async def look(self, provider_job_id: str) -> JobStatus:
        """Refuse: no batch can exist."""
        raise self._refusal()

    async def replies(self, provider_job_id: str) -> AsyncGenerator[Reply, None]:
        """Refuse: no batch can exist."""
        raise self._refusal()
        yield  # makes it a generator, as the protocol has it

    async def cancel(self, provider_job_id: str) -> None:
        """Refuse: no batch can exist."""
        raise self._refusal()

    async def candidates(self, claimed_ms: int) -> tuple[Candidate, ...]:
        """Refuse: an empty list would say that a batch is absent."""
        raise self._refusal()

    async def owner(self, provider_job_id: str) -> str | None:
        """Refuse: no batch can exist."""
        raise self._refusal()

    async def orphan_files(self, before_ms: int) -> tuple[str, ...]:
        """None: nothing is uploaded."""
        return ()

    async def delete_file(self, file_id: str) -> None:
        """Nothing to delete."""
