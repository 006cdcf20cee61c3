"""What the adapters have in common: the key, the HTTP client, temporary files, and what is done around a request.

An adapter adds the requests of its own API. This module asks it for `_connect`, `_batch`, `_files` and `_answer`. What the
objects mean that come back is known to the module `wire` beside the adapter.
"""

import asyncio
import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Protocol, TypeVar

import httpx2
import structlog

from domain.reply import Reply
from providers.http.failures import HttpFailure, Sdk, Step, mapped
from providers.http.results import Announced, objection, of_download
from providers.http.spool import Spools
from providers.http.transport import CountingClient
from providers.protocol import Ask, ContentRefused, JobStatus, OutcomeUnknown, ProviderError
from providers.untaken import Untaken

log = structlog.get_logger(__name__)


class _Closes(Protocol):
    async def close(self) -> None: ...


Client = TypeVar("Client", bound=_Closes)
Chunks = AbstractAsyncContextManager[AsyncIterator[bytes]]


class Wire(Protocol):
    """The functions that the module `wire` of each adapter has."""

    def status_of(self, batch: dict[str, Any], now_s: float) -> JobStatus:
        """Where a batch stands."""
        ...

    def announced(self, batch: dict[str, Any], now_s: float) -> Announced:
        """How many rows an ended batch must hold."""
        ...

    def reply_of_row(self, row: dict[str, Any]) -> Reply | None:
        """The reply that a result row is; None for a row that says nothing."""
        ...

    def errored(self, custom_id: str, failure: HttpFailure) -> Reply:
        """The reply to a request that was refused."""
        ...


class Adapter(ABC, Generic[Client]):
    """One account of an API. Its methods are described at `providers.protocol.Provider`.

    on_http(operation, status): called once for each HTTP attempt. on_dropped(parameter, model): called for each parameter of an
    ask that is not sent, since the API or the model does not take it. spool_folder: where jobs and their rows are written
    while they are too large for memory; None: where the system has its temporary files. transport: None means the network.
    """

    name: str
    default_base_url: str
    sdk: Sdk
    wire: Wire

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        on_http: Callable[[str, str], None] = lambda operation, status: None,
        on_dropped: Callable[[str, str], None] = lambda parameter, model: None,
        spool_folder: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        if not api_key:  # the SDK would look into the environment for another one
            raise ValueError(f"the API key of {self.name} is empty: give one, or leave the provider out")
        self._key_hash = hashlib.sha256(api_key.encode()).hexdigest()[:12]
        self._on_dropped = on_dropped
        self._untaken = Untaken(on_dropped, self._takes_temperature)
        self._spools = Spools(spool_folder)
        self._client = self._connect(api_key, base_url or self.default_base_url, CountingClient(on_http, transport))

    # -- what an adapter says of its own API -----------------------------------------------------------------------

    @abstractmethod
    def _connect(self, api_key: str, base_url: str, http_client: CountingClient) -> Client:
        """What requests are made with: an SDK's client, its retries off, for a retried create makes a second batch, or `Rest`.

        docs/providers.md#creating-once
        """

    @staticmethod
    def _takes_temperature(model: str, effort: str | None) -> bool:
        """Whether a temperature may be sent to a model, asked with this reasoning effort; False only where that is known."""
        return True

    @abstractmethod
    async def _batch(self, provider_job_id: str) -> dict[str, Any]:
        """The batch as the API shows it now."""

    @abstractmethod
    def _files(self, batch: dict[str, Any]) -> Sequence[Chunks]:
        """The files in which the rows of an ended batch are, each to be opened and read once; that with the answers first."""

    @abstractmethod
    async def _answer(self, ask: Ask, timeout_s: float) -> Reply:
        """The reply to a request of one ask."""

    # -- what is the same for all ----------------------------------------------------------------------------------

    @property
    def key_hash(self) -> str:
        """The first 12 hex digits of the key's sha256."""
        return self._key_hash

    async def look(self, provider_job_id: str) -> JobStatus:
        """Poll a batch once."""
        batch = await self._batch(provider_job_id)
        with mapped(Step.JOB, self.sdk):
            return self.wire.status_of(batch, time.time())

    async def replies(self, provider_job_id: str) -> AsyncGenerator[Reply, None]:
        """Read the rows of an ended batch, in the order of its asks; then raise what is wrong with them.

        That is ResultsNotWhole, or what a download failed with.
        """
        batch = await self._batch(provider_job_id)
        failed: ProviderError | None = None
        with self._spools.rows(self.wire.reply_of_row, self._on_unreadable(provider_job_id)) as rows:
            for file in self._files(batch):
                try:
                    async with file as chunks:
                        await rows.take(chunks)
                except ProviderError as error:
                    failed = failed or error  # the first file has the answers: what is in it is paid
            for reply in rows.in_order():
                yield reply
            read, announced = rows.read, self.wire.announced(batch, time.time())
        complaint: ProviderError | None
        if failed is None:
            complaint = objection(announced, read)
        else:
            complaint = of_download(failed, self._status_of(failed), announced, read)
        if complaint is not None:
            raise complaint

    def _on_unreadable(self, provider_job_id: str) -> Callable[[int, int], None]:
        """What is to be called with number and length of a row that cannot be read; the row counts as missing."""

        def skipped(line: int, size: int) -> None:
            log.warning("provider_row_unreadable", provider=self.name, job=provider_job_id, line=line, bytes=size)

        return skipped

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Answer one ask by one request."""
        try:
            with mapped(Step.CALL, self.sdk):
                async with asyncio.timeout(timeout_s):
                    return await self._answer(self._untaken.fitted(ask), timeout_s)
        except TimeoutError as error:
            raise OutcomeUnknown(f"call: no answer within {timeout_s} s") from error
        except ContentRefused as refused:
            reply = self.wire.errored(ask.custom_id, self.sdk.read(refused.__cause__))
            self.learn(ask.model, reply)
            return reply

    def learn(self, model: str, reply: Reply) -> None:
        """Leave a parameter that was refused out of what is sent to this model from now on."""
        self._untaken.learn(model, reply)

    def _status_of(self, error: ProviderError) -> int | None:
        """The HTTP status behind a failure; None where there was no answer."""
        cause = error.__cause__
        return self.sdk.read(cause).status if isinstance(cause, self.sdk.status_error) else None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
