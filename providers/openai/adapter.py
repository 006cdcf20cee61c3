"""One account at OpenAI: batches of chat completions and single ones through the SDK, its retries off."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import count as counted
from typing import IO, Any

import openai
import structlog

from domain.back_off import BackOff
from domain.reply import Reply
from providers.adapter import Adapter, Chunks
from providers.http.failures import HttpFailure, Sdk, Step, mapped, retry_after_s
from providers.http.fields import count, mapping, required_text, text
from providers.http.listing import SCAN_MARGIN_S, created_s, scan
from providers.http.spool import Spool
from providers.http.transport import TIMEOUTS, CountingClient, body_object, timeouts
from providers.openai import wire
from providers.protocol import (
    Ask,
    Candidate,
    JobNotVisible,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    StartRefused,
)
from providers.untaken import takes_temperature

log = structlog.get_logger(__name__)

JOB_KEY = "roundbatch_job"  # the metadata by which a batch is found again
PAGE_ROWS = 100
FILE_PAGE_ROWS = 1_000
# How an input file is known for ours when its batch was never created.
FILE_PREFIX, FILE_SUFFIX = "roundbatch-", ".jsonl"
# The waits between two creates with a file that is not found yet. The claim under which they are made holds two minutes.
_FILE_WAITS = BackOff(first_s=0.5, most_s=8.0)
# A file younger than this may be unknown to the files endpoint too, which is no proof that it is gone.
_FILE_LAG_S = 30.0
# A batch in one of these has ended, or ends by itself.
_OVER = frozenset({"failed", "completed", "expired", "cancelled", "cancelling", "finalizing"})


def _failure(error: openai.APIStatusError) -> HttpFailure:
    body = mapping(error.body)
    body = mapping(body.get("error")) or body  # the SDK unwraps it where it can
    return HttpFailure(
        status=error.status_code,
        type=text(body.get("type")),
        code=text(body.get("code")),
        message=text(body.get("message")) or "no message",
        retry_after_s=retry_after_s(error.response.headers),
        param=text(body.get("param")),
    )


SDK = Sdk(openai.APIStatusError, _failure, (openai.APIConnectionError,), (openai.OpenAIError,))


class OpenAIProvider(Adapter[openai.AsyncOpenAI]):
    """The `Provider` of one account at OpenAI, or at a server that speaks its API.

    answer_schema: whether it takes a JSON schema as response_format. The other arguments are those of `Adapter`.
    """

    name = "openai"
    default_base_url = "https://api.openai.com/v1"
    sdk = SDK
    wire = wire

    def __init__(self, api_key: str, *, answer_schema: bool = True, **common: Any) -> None:
        self._answer_schema = answer_schema
        super().__init__(api_key, **common)

    def _connect(self, api_key: str, base_url: str, http_client: CountingClient) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(api_key=api_key, base_url=base_url, max_retries=0, timeout=TIMEOUTS, http_client=http_client)

    @staticmethod
    def _takes_temperature(model: str, effort: str | None) -> bool:
        return takes_temperature(model, effort)

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Upload the input file and create its batch; a file whose batch was not created stays there unused.

        For some seconds after its upload OpenAI may not find a file, and refuses the create, which then certainly made nothing.
        The create is repeated with the same file, since a new one would be found even later. Only a file that has been seen and
        is gone, or that is not found after _FILE_LAG_S, is uploaded again. All of it within `timeout_s`, the time that the
        claim of this job permits.
        """
        sent, refused = False, ""
        try:
            lines = wire.batch_lines(map(self._untaken.fitted, asks), schema=self._answer_schema)
            async with asyncio.timeout(timeout_s), self._spools.written(lines) as spool:
                file_id, uploaded_s, seen = await self._upload(job_id, spool, timeout_s), time.monotonic(), False
                for tries in counted():
                    if not start():
                        raise StartRefused(f"job {job_id}: {refused or 'not started in time'}")
                    sent = True
                    try:
                        return await self._create(job_id, file_id, timeout_s)
                    except ProviderError as error:
                        if not _is_about_the_file(error):
                            raise
                        refused = f"the provider does not find its input file: {error}"
                    sent = False
                    log.warning("input_file_not_known", provider=self.name, job=job_id, tries=tries + 1, said=refused)
                    await asyncio.sleep(_FILE_WAITS.wait_s(tries))
                    if not await self._is_gone(file_id):
                        seen = True
                    elif seen or time.monotonic() - uploaded_s >= _FILE_LAG_S:
                        file_id, uploaded_s, seen = await self._upload(job_id, spool, timeout_s), time.monotonic(), False
                raise AssertionError("unreachable: the loop has no end")
        except TimeoutError as error:
            if sent:
                raise OutcomeUnknown(f"create: no answer within {timeout_s} s") from error
            if refused:
                raise StartRefused(f"job {job_id}: {refused}") from error
            raise ProviderDown(f"upload: not done within {timeout_s} s") from error

    async def _upload(self, job_id: str, spool: Spool, timeout_s: float) -> str:
        content: bytes | IO[bytes] = spool.whole() if spool.small else spool.file
        if not isinstance(content, bytes):
            content.seek(0)
        file = (f"{FILE_PREFIX}{job_id}{FILE_SUFFIX}", content, "application/jsonl")
        with mapped(Step.READ, SDK):
            raw = await self._client.files.with_raw_response.create(file=file, purpose="batch", timeout=timeouts(timeout_s))
            return required_text(body_object(raw.http_response), "id")

    async def _create(self, job_id: str, file_id: str, timeout_s: float) -> str:
        with mapped(Step.CREATE, SDK):
            raw = await self._client.batches.with_raw_response.create(
                input_file_id=file_id,
                endpoint=wire.ENDPOINT,
                completion_window="24h",
                metadata={JOB_KEY: job_id},
                timeout=timeouts(timeout_s),
            )
            return required_text(body_object(raw.http_response), "id")

    async def _is_gone(self, file_id: str) -> bool:
        """Whether the provider says that the file is not there. An answer that says nothing of it counts as no."""
        try:
            with mapped(Step.JOB, SDK):
                await self._client.files.with_raw_response.retrieve(file_id)
        except ProviderError as error:
            return self._status_of(error) == 404
        return False

    async def _batch(self, provider_job_id: str) -> dict[str, Any]:
        with mapped(Step.JOB, SDK):
            raw = await self._client.batches.with_raw_response.retrieve(provider_job_id)
            return body_object(raw.http_response)

    def _files(self, batch: dict[str, Any]) -> list[Chunks]:
        files = text(batch.get("output_file_id")), text(batch.get("error_file_id"))
        return [self._content(file_id) for file_id in files if file_id]

    @asynccontextmanager
    async def _content(self, file_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        with mapped(Step.JOB, SDK):
            async with self._client.files.with_streaming_response.content(file_id) as response:
                yield response.http_response.aiter_bytes()

    async def _answer(self, ask: Ask, timeout_s: float) -> Reply:
        body = self._body(ask)
        raw = await self._client.chat.completions.with_raw_response.create(**body, timeout=timeouts(timeout_s))
        return self._reply(ask, body_object(raw.http_response))

    def _body(self, ask: Ask) -> dict[str, Any]:
        """The arguments of the SDK's call."""
        return wire.completion_body(ask, schema=self._answer_schema)

    def _reply(self, ask: Ask, completion: dict[str, Any]) -> Reply:
        return wire.reply_of_completion(ask.custom_id, completion)

    async def cancel(self, provider_job_id: str) -> None:
        """Cancel a batch; refused with a 409 for one that is over, which is then looked at."""
        try:
            with mapped(Step.JOB, SDK):
                await self._client.batches.with_raw_response.cancel(provider_job_id)
        except ProviderError as error:
            if self._status_of(error) not in (400, 409):
                raise
            if text((await self._batch(provider_job_id)).get("status")) not in _OVER:
                raise

    async def candidates(self, claimed_ms: int) -> tuple[Candidate, ...]:
        """All batches since SCAN_MARGIN_S before the claim, each with the job id of its metadata."""
        with mapped(Step.READ, SDK):
            return tuple([_candidate(batch) async for batch in scan(self._page, claimed_ms / 1000 - SCAN_MARGIN_S)])

    async def owner(self, provider_job_id: str) -> str | None:
        """The job id in a batch's metadata; None for a batch that is not ours."""
        return _owner(await self._batch(provider_job_id))

    async def _page(self, after: str | None) -> dict[str, Any]:
        raw = await self._client.batches.with_raw_response.list(limit=PAGE_ROWS, after=after or openai.omit)
        return body_object(raw.http_response)

    async def orphan_files(self, before_ms: int) -> tuple[str, ...]:
        """Input files named `roundbatch-….jsonl`, created before `before_ms`, that no batch of the list names.

        The files are listed first: a batch that is created meanwhile is then seen.
        """
        with mapped(Step.READ, SDK):
            files = {
                required_text(file, "id"): created_s(file)
                async for file in scan(self._file_page, 0.0)
                if _is_ours(text(file.get("filename"))) and created_s(file) * 1000 < before_ms
            }
            if not files:
                return ()
            oldest_s = min(files.values()) - SCAN_MARGIN_S  # a batch is younger than its file
            used = {text(batch.get("input_file_id")) async for batch in scan(self._page, oldest_s)}
        return tuple(file_id for file_id in files if file_id not in used)

    async def _file_page(self, after: str | None) -> dict[str, Any]:
        raw = await self._client.files.with_raw_response.list(
            purpose="batch", order="desc", limit=FILE_PAGE_ROWS, after=after or openai.omit
        )
        return body_object(raw.http_response)

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; a 404 means that it is gone."""
        try:
            with mapped(Step.JOB, SDK):
                await self._client.files.with_raw_response.delete(file_id)
        except JobNotVisible as error:
            if self._status_of(error) != 404:
                raise


def _is_about_the_file(error: ProviderError) -> bool:
    return isinstance(error.__cause__, openai.APIStatusError) and wire.is_missing_file(_failure(error.__cause__))


def _owner(batch: dict[str, Any]) -> str | None:
    return text(mapping(batch.get("metadata")).get(JOB_KEY)) or None


def _candidate(batch: dict[str, Any]) -> Candidate:
    return Candidate(
        provider_job_id=required_text(batch, "id"),
        created_ms=int(created_s(batch) * 1000),
        total=count(mapping(batch.get("request_counts")).get("total")),
        ended=text(batch.get("status")) in wire.TERMINAL,
        job_id=_owner(batch) or "",  # a batch without our metadata is none of ours, running or ended
    )


def _is_ours(filename: str) -> bool:
    return filename.startswith(FILE_PREFIX) and filename.endswith(FILE_SUFFIX)
