"""One account at Google's Gemini API: batches by uploaded files, and single calls, by REST.

Without Google's SDK: it shows neither the input file nor the error of a batch, its asynchronous calls are sent a second time
after a reset where aiohttp is installed, as it is here, and it brings seven packages (docs/decisions/dependencies.md).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

import structlog

from domain.reply import Reply
from providers.adapter import Adapter, Chunks
from providers.google import requests, wire
from providers.google.failures import REST
from providers.google.listing import all_entries, batches_since, created_s_of, entries
from providers.google.requests import path_of
from providers.google.wire import metadata_of, output_file, state_of
from providers.http.failures import Step, UnreadableBody, mapped
from providers.http.fields import mapping, required_text, text
from providers.http.listing import SCAN_MARGIN_S, epoch_s
from providers.http.rest import Rest
from providers.http.spool import Spool
from providers.http.transport import CountingClient, body_object, timeouts
from providers.protocol import (
    Ask,
    Candidate,
    JobNotVisible,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    ResultsNotWhole,
    StartRefused,
)

log = structlog.get_logger(__name__)

# Always sent: without a page size the list of batches was seen empty, with no error.
PAGE_ROWS = 100
# Finished inline jobs carry all of their results in the list.
_FIELDS = ",".join(
    [
        "nextPageToken",
        "operations.name",
        *(f"operations.metadata.{name}" for name in ("displayName", "state", "createTime", "inputConfig", "batchStats")),
    ]
)
_JSON = {"Content-Type": "application/json"}


class GoogleProvider(Adapter[Rest]):
    """The `Provider` of one account at the Gemini API."""

    name = "google"
    default_base_url = "https://generativelanguage.googleapis.com"
    sdk = REST
    wire = wire

    def _connect(self, api_key: str, base_url: str, http_client: CountingClient) -> Rest:
        self._masked = True  # whether the list of batches is asked for with a field mask
        return Rest(http_client, base_url, "x-goog-api-key", api_key)

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Upload the input file and create its batch; a file whose batch was not created stays there, 48 hours at most.

        The batch bears the job id as its display name, and the name of its file is made of it too: by either it is found again.
        """
        sent = False
        remaining = iter(asks)
        first = next(remaining)
        try:
            lines = requests.batch_lines(map(self._untaken.fitted, chain((first,), remaining)), self._on_dropped)
            async with asyncio.timeout(timeout_s), self._spools.written(lines) as spool:
                file_name = await self._upload(job_id, spool, timeout_s)
                if not start():
                    raise StartRefused(f"job {job_id}: not started in time")
                sent = True
                with mapped(Step.CREATE, REST):
                    answer = await self._client.request(
                        "POST",
                        path_of("models", first.model, ":batchGenerateContent"),
                        content=requests.encoded(requests.batch_body(job_id, file_name)),
                        headers=_JSON,
                        time_limits=timeouts(timeout_s),
                    )
                    return required_text(body_object(answer), "name")
        except TimeoutError as error:
            if sent:
                raise OutcomeUnknown(f"create: no answer within {timeout_s} s") from error
            raise ProviderDown(f"upload: not done within {timeout_s} s") from error

    async def _upload(self, job_id: str, spool: Spool, timeout_s: float) -> str:
        """Upload a file in two requests: the first one names the address of the second, which takes all bytes at once.

        Where a file of that name exists already, the API chooses this one's name; the display name still says whose it is.
        """
        with mapped(Step.READ, REST):
            try:
                address = await self._begin_upload(requests.file_body(job_id), spool.size, timeout_s)
            except REST.status_error as error:
                if REST.read(error).status != 409:
                    raise
                log.warning("input_file_there_already", provider=self.name, job=job_id)
                address = await self._begin_upload(requests.file_body(job_id, named=False), spool.size, timeout_s)
            done = await self._client.request(
                "POST",
                self._client.path_of(address),
                content=spool.whole() if spool.small else spool.chunks(),
                headers={
                    "Content-Length": str(spool.size),
                    "X-Goog-Upload-Offset": "0",
                    "X-Goog-Upload-Command": "upload, finalize",
                },
                time_limits=timeouts(timeout_s),
            )
            return required_text(mapping(body_object(done).get("file")), "name")

    async def _begin_upload(self, body: dict[str, Any], size: int, timeout_s: float) -> str:
        begun = await self._client.request(
            "POST",
            "/upload/v1beta/files",
            content=requests.encoded(body),
            headers={
                **_JSON,
                "X-Goog-Upload-Protocol": "resumable",
                "X-Goog-Upload-Command": "start",
                "X-Goog-Upload-Header-Content-Length": str(size),
                "X-Goog-Upload-Header-Content-Type": "application/jsonl",
            },
            time_limits=timeouts(timeout_s),
        )
        address = text(begun.headers.get("x-goog-upload-url"))
        if not address:
            raise UnreadableBody("x-goog-upload-url is missing")
        return address

    async def _batch(self, provider_job_id: str) -> dict[str, Any]:
        with mapped(Step.JOB, REST):
            return body_object(await self._client.request("GET", path_of("batches", provider_job_id)))

    def _files(self, batch: dict[str, Any]) -> tuple[Chunks, ...]:
        name = output_file(batch)
        if not name and self.wire.announced(batch, 0.0).rows == 0:
            return ()  # it has ended without results, and promises none
        return (self._content(name),)

    @asynccontextmanager
    async def _content(self, name: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if not name:
            raise ResultsNotWhole("it names no file with its results", gone=True)
        with mapped(Step.JOB, REST):
            path = f"/download{path_of('files', name, ':download')}"
            async with self._client.download(path, {"alt": "media"}) as chunks:
                yield chunks

    async def _answer(self, ask: Ask, timeout_s: float) -> Reply:
        answer = await self._client.request(
            "POST",
            path_of("models", ask.model, ":generateContent"),
            content=requests.encoded(requests.generate_body(ask, self._on_dropped)),
            headers=_JSON,
            time_limits=timeouts(timeout_s),
        )
        return wire.reply_of_response(ask.custom_id, body_object(answer))

    async def cancel(self, provider_job_id: str) -> None:
        """Cancel a batch; where that is refused for one that is over, it is looked at."""
        try:
            with mapped(Step.JOB, REST):
                await self._client.request("POST", path_of("batches", provider_job_id, ":cancel"), content=b"{}", headers=_JSON)
        except ProviderError as error:
            if self._status_of(error) not in (400, 409):
                raise
            if state_of(await self._batch(provider_job_id)) not in wire.OVER:
                raise

    async def candidates(self, claimed_ms: int) -> tuple[Candidate, ...]:
        """All batches since SCAN_MARGIN_S before the claim, with the job ids of their display names, and the next older one."""
        with mapped(Step.READ, REST):
            batches = batches_since(self._page, claimed_ms / 1000 - SCAN_MARGIN_S)
            return tuple([_candidate(batch) async for batch in batches])

    async def owner(self, provider_job_id: str) -> str | None:
        """The display name of a batch: our job id, where it is ours."""
        return _owner(await self._batch(provider_job_id))

    async def _page(self, token: str) -> dict[str, Any]:
        """A page of the list of batches: with a field mask, until that is refused or hides what a scan goes by."""
        if self._masked:
            try:
                page = await self._list("batches", token, fields=_FIELDS)
                for batch in entries(page, "operations"):
                    created_s_of(batch)
                return page
            except UnreadableBody as error:
                said = str(error)
            except REST.status_error as error:
                if REST.read(error).status != 400:
                    raise
                said = str(REST.read(error))
            self._masked = False
            log.warning("field_mask_refused", provider=self.name, said=said)
        return await self._list("batches", token)

    async def _list(self, kind: str, token: str, **more: str) -> dict[str, Any]:
        params = {"pageSize": str(PAGE_ROWS), **more, **({"pageToken": token} if token else {})}
        return body_object(await self._client.request("GET", f"/v1beta/{kind}", params=params))

    async def orphan_files(self, before_ms: int) -> tuple[str, ...]:
        """Input files of ours, created before `before_ms`, to which no batch of the list belongs.

        A file belongs to the batch that names it as its input, and to the batch whose display name is the job id in its name.
        The files are listed before the batches, so that a batch created meanwhile is seen. If the list shows no batch at all it
        may be wrong, and no file counts as an orphan: Google deletes files after 48 hours anyway.
        """
        with mapped(Step.READ, REST):
            files = {
                name: created
                async for file in all_entries(lambda token: self._list("files", token), "files")
                if (name := text(file.get("name"))) and _is_ours(file)
                if (created := epoch_s(file.get("createTime"), "createTime")) * 1000 < before_ms
            }
            if not files:
                return ()
            oldest_s = min(files.values()) - SCAN_MARGIN_S  # a batch is younger than its file
            batches = [metadata_of(batch) async for batch in batches_since(self._page, oldest_s)]
        if not batches:
            return ()
        used = {_input_file(batch) for batch in batches} | {requests.file_name(text(one.get("displayName"))) for one in batches}
        return tuple(name for name in files if name not in used)

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; a 404 means that it is gone."""
        try:
            with mapped(Step.JOB, REST):
                await self._client.request("DELETE", path_of("files", file_id))
        except JobNotVisible as error:
            if self._status_of(error) != 404:
                raise


def _input_file(metadata: dict[str, Any]) -> str:
    return text(mapping(metadata.get("inputConfig")).get("fileName"))


def _owner(operation: dict[str, Any]) -> str | None:
    """Our job id of a batch, by either of its two marks; None where it shows neither."""
    metadata = metadata_of(operation)
    return text(metadata.get("displayName")) or requests.job_of_file(_input_file(metadata)) or None


def _candidate(batch: dict[str, Any]) -> Candidate:
    job_id = _owner(batch)
    total = wire.number(mapping(metadata_of(batch).get("batchStats")).get("requestCount"))
    return Candidate(
        provider_job_id=required_text(batch, "name"),
        created_ms=int(created_s_of(batch) * 1000),
        total=total or int(job_id is None),  # without a count and an owner it may be ours, whatever its size
        ended=state_of(batch) in wire.OVER,
        job_id=job_id,
    )


def _is_ours(file: dict[str, Any]) -> bool:
    return text(file.get("displayName")).startswith(requests.FILE_PREFIX) or bool(requests.job_of_file(text(file.get("name"))))
