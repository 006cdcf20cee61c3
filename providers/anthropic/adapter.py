"""One account at Anthropic: message batches and single messages through the SDK, its retries off."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anthropic
import httpx2
import structlog

from domain.reply import Reply
from providers.adapter import Adapter, Chunks
from providers.anthropic import wire
from providers.http.failures import HttpFailure, Sdk, Step, mapped, retry_after_s
from providers.http.fields import count, mapping, required_text, text
from providers.http.jsonl import read_replies
from providers.http.listing import SCAN_MARGIN_S, created_s, scan
from providers.http.rest import path_at
from providers.http.transport import TIMEOUTS, CountingClient, body_object, timeouts
from providers.protocol import (
    Ask,
    Candidate,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    ResultsNotWhole,
    StartRefused,
)

log = structlog.get_logger(__name__)

PAGE_ROWS = 100
# How many batches' job ids are remembered. The job id of an ended batch never changes, and to ask for it costs two requests.
_MOST_OWNERS = 10_000


def _failure(error: anthropic.APIStatusError) -> HttpFailure:
    body = mapping(mapping(error.body).get("error"))
    return HttpFailure(
        status=error.status_code,
        type=text(body.get("type")),
        code=text(error.error_code) or text(body.get("code")),
        message=text(body.get("message")) or "no message",
        retry_after_s=retry_after_s(error.response.headers),
    )


SDK = Sdk(anthropic.APIStatusError, _failure, (anthropic.APIConnectionError,), (anthropic.AnthropicError,))


class AnthropicProvider(Adapter[anthropic.AsyncAnthropic]):
    """The `Provider` of one Anthropic account."""

    name = "anthropic"
    default_base_url = "https://api.anthropic.com"
    sdk = SDK
    wire = wire

    def _connect(self, api_key: str, base_url: str, http_client: CountingClient) -> anthropic.AsyncAnthropic:
        self._owners: dict[str, str] = {}  # our job id by the provider's id of its batch; the oldest goes first
        return anthropic.AsyncAnthropic(
            api_key=api_key, base_url=base_url, max_retries=0, timeout=TIMEOUTS, http_client=http_client
        )

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Submit a message batch; `job_id` is known there only by the custom ids."""
        sent = False
        body = wire.batch_body(map(self._untaken.fitted, asks), self._on_dropped)
        try:
            async with asyncio.timeout(timeout_s), self._spools.written(body) as spool:
                if not start():
                    raise StartRefused(f"job {job_id}: not started in time")
                sent = True
                with mapped(Step.CREATE, SDK):
                    # Not batches.create: it encodes the requests on the event loop, all at once.
                    response = await self._client.post(
                        "/v1/messages/batches",
                        content=spool.whole() if spool.small else spool.chunks(),
                        cast_to=httpx2.Response,
                        options={
                            "headers": {"Content-Type": "application/json", "Content-Length": str(spool.size)},
                            "timeout": timeouts(timeout_s),
                        },
                    )
                    return required_text(body_object(response), "id")
        except TimeoutError as error:
            if sent:
                raise OutcomeUnknown(f"create: no answer within {timeout_s} s") from error
            raise ProviderDown(f"create: not ready to send within {timeout_s} s") from error

    async def _batch(self, provider_job_id: str) -> dict[str, Any]:
        with mapped(Step.JOB, SDK):
            raw = await self._client.messages.batches.with_raw_response.retrieve(provider_job_id)
            return body_object(raw.http_response)

    async def cancel(self, provider_job_id: str) -> None:
        """Cancel a batch; refused with a 400 for one that has ended, which is then looked at."""
        try:
            with mapped(Step.JOB, SDK):
                await self._client.messages.batches.with_raw_response.cancel(provider_job_id)
        except ProviderError as error:
            if self._status_of(error) not in (400, 409):
                raise
            if not _has_ended(await self._batch(provider_job_id)):
                raise

    def _files(self, batch: dict[str, Any]) -> tuple[Chunks]:
        return (self._results(batch),)

    @asynccontextmanager
    async def _results(self, batch: dict[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an ended batch's results. Not by batches.results: it follows results_url to whatever host that names."""
        results_url = text(batch.get("results_url"))
        if not results_url:
            raise ResultsNotWhole("it shows no results_url", gone=True)
        with mapped(Step.JOB, SDK):
            stream = await self._client.get(
                path_at(results_url, self._client.base_url.path),
                cast_to=object,
                options={"headers": {"Accept": "application/binary"}},
                stream=True,
                stream_cls=anthropic.AsyncStream[object],
            )
            # Only its response is used: no iterator of the SDK survives a line that is not JSON.
            try:
                yield stream.response.aiter_bytes()
            finally:
                await stream.response.aclose()

    async def _answer(self, ask: Ask, timeout_s: float) -> Reply:
        params: dict[str, Any] = wire.message_params(ask, self._on_dropped)
        raw = await self._client.messages.with_raw_response.create(**params, timeout=timeouts(timeout_s))
        return wire.reply_of_message(ask.custom_id, body_object(raw.http_response))

    async def candidates(self, claimed_ms: int) -> tuple[Candidate, ...]:
        """All batches since SCAN_MARGIN_S before the claim: time and count, for the list shows neither name nor metadata."""
        with mapped(Step.READ, SDK):
            batches = scan(self._page, claimed_ms / 1000 - SCAN_MARGIN_S)
            return tuple([self._candidate(batch) async for batch in batches])

    async def _page(self, after: str | None) -> dict[str, Any]:
        raw = await self._client.messages.batches.with_raw_response.list(limit=PAGE_ROWS, after_id=after or anthropic.omit)
        return body_object(raw.http_response)

    def _candidate(self, batch: dict[str, Any]) -> Candidate:
        provider_job_id = required_text(batch, "id")
        return Candidate(
            provider_job_id=provider_job_id,
            created_ms=int(created_s(batch) * 1000),
            total=sum(map(count, mapping(batch.get("request_counts")).values())),
            ended=_has_ended(batch),
            job_id=self._owners.get(provider_job_id),
        )

    async def owner(self, provider_job_id: str) -> str | None:
        """The job id in the first custom id (`<job id>-<line>`) of an ended batch's results; None before its end."""
        known = self._owners.get(provider_job_id)
        if known is not None:
            return known
        batch = await self._batch(provider_job_id)
        if not _has_ended(batch):
            return None
        async with (
            self._results(batch) as chunks,
            aclosing(read_replies(chunks, wire.reply_of_row, self._on_unreadable(provider_job_id))) as replies,
        ):
            async for reply in replies:  # the first row is enough, whichever it is
                job_id = reply.custom_id.rpartition("-")[0]
                if len(self._owners) >= _MOST_OWNERS:
                    del self._owners[next(iter(self._owners))]
                self._owners[provider_job_id] = job_id
                return job_id
        return None

    async def orphan_files(self, before_ms: int) -> tuple[str, ...]:
        """None: a message batch is created without a file."""
        return ()

    async def delete_file(self, file_id: str) -> None:
        """Nothing to delete."""


def _has_ended(batch: dict[str, Any]) -> bool:
    return text(batch.get("processing_status")) == "ended"
