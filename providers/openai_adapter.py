"""One account at OpenAI: batches of chat completions and single ones through the SDK, its retries off."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import httpx2
import openai
import structlog

from domain.reply import Reply
from providers import openai_wire as wire
from providers.failures import HttpFailure, Sdk, Step, UnreadableBody, mapped, retry_after_s
from providers.fields import items, mapping, required_text, text
from providers.jsonl import read_replies
from providers.protocol import (
    Ask,
    ContentRefused,
    JobStatus,
    OutcomeUnknown,
    ProviderDown,
    Sighting,
    StartRefused,
)
from providers.transport import body_object, counting_client, timeouts

log = structlog.get_logger(__name__)

DEFAULT_BASE_URL = "https://api.openai.com/v1"
JOB_KEY = "roundbatch_job"  # the metadata by which a batch is found again
# Characters of prompts from which a job is encoded in a thread, so that heartbeats go on.
THREAD_FROM_CHARS = 4_000_000
# How far before the claim the scan of the list goes: two clocks, the provider's and ours, may differ.
SCAN_MARGIN_S = 600
PAGE_ROWS = 100


def _failure(error: openai.APIStatusError) -> HttpFailure:
    body = mapping(error.body)
    body = mapping(body.get("error")) or body  # the SDK unwraps it where it can
    return HttpFailure(
        status=error.status_code,
        type=text(body.get("type")),
        code=text(body.get("code")),
        message=text(body.get("message")) or "no message",
        retry_after_s=retry_after_s(error.response.headers),
    )


SDK = Sdk(openai.OpenAIError, openai.APIStatusError, openai.APIConnectionError, _failure)


class OpenAIProvider:
    """The `Provider` of one OpenAI account.

    `on_http(operation, status)` is called once an HTTP attempt, `on_unreadable_row()` for each result row that is skipped: it
    shows as missing. `on_dropped` is there for the likeness of the adapters: this API has a place for every parameter.
    `file_lag_s`: see `openai_wire.status_of`. `transport` None means the network.
    """

    name = "openai"
    can_find = True

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        read_timeout_s: float = 60.0,
        max_connections: int = 100,
        on_http: Callable[[str, str], None] = lambda operation, status: None,
        on_dropped: Callable[[str, str], None] = lambda parameter, model: None,
        on_unreadable_row: Callable[[], None] = lambda: None,
        file_lag_s: float = wire.FILE_LAG_S,
        now_s: Callable[[], float] = time.time,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        if not api_key:  # the SDK would look into the environment for another one
            raise ValueError(f"the API key of {self.name} is empty: give one, or leave the provider out")
        self._key_hash = hashlib.sha256(api_key.encode()).hexdigest()[:12]
        self._on_unreadable_row = on_unreadable_row
        self._file_lag_s = file_lag_s
        self._now_s = now_s
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,  # a retried create makes a second batch (providers.md)
            timeout=timeouts(read_timeout_s),
            http_client=counting_client(
                on_http, read_timeout_s=read_timeout_s, max_connections=max_connections, transport=transport
            ),
        )

    @property
    def key_hash(self) -> str:
        """The first 12 hex digits of the key's sha256."""
        return self._key_hash

    async def create(self, job_id: str, asks: Sequence[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Upload the input file and create its batch; a file whose batch was not created stays there unused."""
        sent = False
        try:
            async with asyncio.timeout(timeout_s):
                with mapped(Step.READ, SDK):
                    file_id = await self._upload(job_id, asks, timeout_s)
                if not start():
                    raise StartRefused(f"job {job_id}: not started in time")
                sent = True
                with mapped(Step.CREATE, SDK):
                    raw = await self._client.batches.with_raw_response.create(
                        input_file_id=file_id,
                        endpoint=wire.ENDPOINT,
                        completion_window="24h",
                        metadata={JOB_KEY: job_id},
                        timeout=timeouts(timeout_s),
                    )
                    return required_text(body_object(raw.http_response), "id")
        except TimeoutError as error:
            if sent:
                raise OutcomeUnknown(f"create: no answer within {timeout_s} s") from error
            raise ProviderDown(f"upload: not done within {timeout_s} s") from error

    async def _upload(self, job_id: str, asks: Sequence[Ask], timeout_s: float) -> str:
        if sum(len(block.text) for ask in asks for block in ask.blocks) > THREAD_FROM_CHARS:
            content = await asyncio.to_thread(wire.batch_file, asks)
        else:
            content = wire.batch_file(asks)
        raw = await self._client.files.with_raw_response.create(
            file=(f"{job_id}.jsonl", content, "application/jsonl"), purpose="batch", timeout=timeouts(timeout_s)
        )
        return required_text(body_object(raw.http_response), "id")

    async def look(self, provider_job_id: str) -> JobStatus:
        """Poll a batch once."""
        return wire.status_of(await self._batch(provider_job_id), self._now_s(), self._file_lag_s)

    async def _batch(self, provider_job_id: str) -> dict[str, Any]:
        with mapped(Step.JOB, SDK):
            raw = await self._client.batches.with_raw_response.retrieve(provider_job_id)
            return body_object(raw.http_response)

    async def replies(self, provider_job_id: str) -> AsyncGenerator[Reply, None]:
        """Read every row of the output file, then of the error file; ProviderDown when a download dies midway."""

        def skipped(line: int, size: int) -> None:
            self._on_unreadable_row()
            log.warning("provider_row_unreadable", provider=self.name, job=provider_job_id, line=line, bytes=size)

        batch = await self._batch(provider_job_id)
        for file_id in (text(batch.get("output_file_id")), text(batch.get("error_file_id"))):
            if not file_id:
                continue
            with mapped(Step.JOB, SDK):
                async with (
                    self._client.files.with_streaming_response.content(file_id) as response,
                    aclosing(read_replies(response.http_response.aiter_bytes(), wire.reply_of_row, skipped)) as replies,
                ):
                    async for reply in replies:
                        yield reply

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Answer one ask by one chat completion."""
        body: dict[str, Any] = wire.completion_body(ask)
        try:
            with mapped(Step.CALL, SDK):
                async with asyncio.timeout(timeout_s):
                    raw = await self._client.chat.completions.with_raw_response.create(**body, timeout=timeouts(timeout_s))
                return wire.reply_of_completion(ask.custom_id, body_object(raw.http_response))
        except TimeoutError as error:
            raise OutcomeUnknown(f"call: no answer within {timeout_s} s") from error
        except ContentRefused as refused:
            return wire.errored(ask.custom_id, SDK.read(refused.__cause__))

    async def find(self, job_id: str, claimed_ms: int) -> Sighting:
        """Scan the list, newest first, until SCAN_MARGIN_S before the claim; raise when any page cannot be read to its end."""
        oldest_s = claimed_ms / 1000 - SCAN_MARGIN_S
        after: str | None = None
        with mapped(Step.READ, SDK):
            while True:
                page = await self._page(after)
                batches = [mapping(batch) for batch in items(page.get("data"))]
                for batch in batches:
                    if mapping(batch.get("metadata")).get(JOB_KEY) == job_id:
                        return Sighting(required_text(batch, "id"))
                    created_s = batch.get("created_at")
                    if not isinstance(created_s, int | float):
                        raise UnreadableBody("a batch in the list has no created_at")
                    if created_s < oldest_s:
                        return Sighting(None)
                if page.get("has_more") is False:
                    return Sighting(None)
                if page.get("has_more") is not True or not batches:
                    raise UnreadableBody("a page of the list does not say whether it is the last")
                after = required_text(batches[-1], "id")

    async def _page(self, after: str | None) -> dict[str, Any]:
        raw = await self._client.batches.with_raw_response.list(limit=PAGE_ROWS, after=after or openai.omit)
        page = body_object(raw.http_response)
        if not isinstance(page.get("data"), list):
            raise UnreadableBody("a page of the list has no data")
        return page

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
