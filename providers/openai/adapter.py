"""One account at OpenAI: batches of chat completions and single ones through the SDK, its retries off."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from itertools import count as counted
from typing import IO, Any

import httpx2
import openai
import structlog

from domain.back_off import BackOff
from domain.reply import Reply
from providers.http.failures import HttpFailure, Sdk, Step, mapped, retry_after_s
from providers.http.fields import count, mapping, required_text, text
from providers.http.listing import SCAN_MARGIN_S, created_s, scan
from providers.http.results import objection, of_download
from providers.http.spool import Spool, Spools
from providers.http.transport import body_object, counting_client, timeouts
from providers.openai import wire as wire
from providers.protocol import (
    Ask,
    Candidate,
    ContentRefused,
    JobNotVisible,
    JobStatus,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    StartRefused,
)
from providers.untaken import Untaken, takes_temperature

log = structlog.get_logger(__name__)

DEFAULT_BASE_URL = "https://api.openai.com/v1"
JOB_KEY = "roundbatch_job"  # the metadata by which a batch is found again
PAGE_ROWS = 100
FILE_PAGE_ROWS = 1_000
# How an input file is known for ours when its batch was never created.
FILE_PREFIX, FILE_SUFFIX = "roundbatch-", ".jsonl"
# Between two creates with a file that is not known yet: seconds, and the claim that both are made under holds two minutes.
_FILE_WAITS = BackOff(first_s=0.5, most_s=8.0)
# A file so young may be unknown to whoever is asked for it, too: no proof that it is gone, and another would be younger.
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


SDK = Sdk(openai.OpenAIError, openai.APIStatusError, openai.APIConnectionError, _failure)


class OpenAIProvider:
    """The `Provider` of one OpenAI account.

    `on_http(operation, status)` is called once an HTTP attempt, `on_dropped(parameter, model)` for each parameter of an ask
    that its model does not take, `on_unreadable_row()` for each result row that is skipped: it shows as missing.
    `spool_folder`: where jobs and their rows are written meanwhile, None: where the system has its temporary files. `transport`
    None means the network.
    """

    name = "openai"

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
        now_s: Callable[[], float] = time.time,
        spool_folder: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        if not api_key:  # the SDK would look into the environment for another one
            raise ValueError(f"the API key of {self.name} is empty: give one, or leave the provider out")
        self._key_hash = hashlib.sha256(api_key.encode()).hexdigest()[:12]
        self._untaken = Untaken(on_dropped, takes_temperature)
        self._on_unreadable_row = on_unreadable_row
        self._now_s = now_s
        self._spools = Spools(spool_folder)
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,  # a retried create makes a second batch (docs/providers.md#creating-once)
            timeout=timeouts(read_timeout_s),
            http_client=counting_client(
                on_http, read_timeout_s=read_timeout_s, max_connections=max_connections, transport=transport
            ),
        )

    @property
    def key_hash(self) -> str:
        """The first 12 hex digits of the key's sha256."""
        return self._key_hash

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Upload the input file and create its batch; a file whose batch was not created stays there unused.

        A file is not known everywhere at once: the create is refused for some seconds, and certainly creates nothing. It is
        repeated with that very file, for another one would be younger; where the file itself is gone, seen before or waited for
        long enough, it is uploaded again. All within the claim, for the file holds the custom ids of this job.
        """
        sent, refused = False, ""
        try:
            lines = wire.batch_lines(map(self._untaken.fitted, asks))
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
        """Whether the provider says that the file is not there; when it says nothing, it is taken to be."""
        try:
            with mapped(Step.JOB, SDK):
                await self._client.files.with_raw_response.retrieve(file_id)
        except ProviderError as error:
            return _status_of(error) == 404
        return False

    async def look(self, provider_job_id: str) -> JobStatus:
        """Poll a batch once."""
        return wire.status_of(await self._batch(provider_job_id), self._now_s())

    async def _batch(self, provider_job_id: str) -> dict[str, Any]:
        with mapped(Step.JOB, SDK):
            raw = await self._client.batches.with_raw_response.retrieve(provider_job_id)
            return body_object(raw.http_response)

    async def replies(self, provider_job_id: str) -> AsyncGenerator[Reply, None]:
        """Read the rows of the output and the error file, in the order of the input.

        Then raises what is wrong with them: ResultsNotWhole, or ProviderDown when a download died.
        """

        def skipped(line: int, size: int) -> None:
            self._on_unreadable_row()
            log.warning("provider_row_unreadable", provider=self.name, job=provider_job_id, line=line, bytes=size)

        batch = await self._batch(provider_job_id)
        failed: ProviderError | None = None
        with self._spools.rows(wire.reply_of_row, skipped) as rows:
            for file_id in (text(batch.get("output_file_id")), text(batch.get("error_file_id"))):
                if not file_id:
                    continue
                try:
                    with mapped(Step.JOB, SDK):
                        async with self._client.files.with_streaming_response.content(file_id) as response:
                            await rows.take(response.http_response.aiter_bytes())
                except ProviderError as error:
                    failed = failed or error  # of the output file, which comes first: what is in it is paid
            for reply in rows.in_order():
                yield reply
        announced, status = wire.announced(batch, self._now_s()), None if failed is None else _status_of(failed)
        complaint = objection(announced, rows.read) if failed is None else of_download(failed, status, announced, rows.read)
        if complaint is not None:
            raise complaint

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Answer one ask by one chat completion."""
        body: dict[str, Any] = wire.completion_body(self._untaken.fitted(ask))
        try:
            with mapped(Step.CALL, SDK):
                async with asyncio.timeout(timeout_s):
                    raw = await self._client.chat.completions.with_raw_response.create(**body, timeout=timeouts(timeout_s))
                return wire.reply_of_completion(ask.custom_id, body_object(raw.http_response))
        except TimeoutError as error:
            raise OutcomeUnknown(f"call: no answer within {timeout_s} s") from error
        except ContentRefused as refused:
            reply = wire.errored(ask.custom_id, SDK.read(refused.__cause__))
            self.learn(ask.model, reply)
            return reply

    def learn(self, model: str, reply: Reply) -> None:
        """Leave a parameter that was refused out of what is sent to this model from now on."""
        self._untaken.learn(model, reply)

    async def cancel(self, provider_job_id: str) -> None:
        """Cancel a batch; refused with a 409 for one that is over, which is then looked at."""
        try:
            with mapped(Step.JOB, SDK):
                await self._client.batches.with_raw_response.cancel(provider_job_id)
        except ProviderError as error:
            if _status_of(error) not in (400, 409):
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
            if _status_of(error) != 404:
                raise

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _status_of(error: ProviderError) -> int | None:
    """The HTTP status behind a failure; None where there was no answer."""
    return error.__cause__.status_code if isinstance(error.__cause__, openai.APIStatusError) else None


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
        job_id=_owner(batch) or "",  # without our metadata it is another's, before it has ended too
    )


def _is_ours(filename: str) -> bool:
    return filename.startswith(FILE_PREFIX) and filename.endswith(FILE_SUFFIX)
