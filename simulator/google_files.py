"""Files of the Gemini API: resumable upload, list, get, delete, download."""

import re
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from simulator import short_results
from simulator.calls import Call
from simulator.errors import ApiError
from simulator.files import StoredFile, Upload
from simulator.google_api import paged
from simulator.google_requests import bad, only, whole
from simulator.simulation import fresh_id

LIFE_S = 48 * 3600
"""Uploaded files are gone after this."""

NAME = re.compile(r"files/[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
FIELDS = ("name", "displayName", "mimeType")


def timestamp(at: float) -> str:
    """RFC 3339 in UTC, with Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _shown(stored: StoredFile) -> dict[str, Any]:
    """The file as the API shows it. Its size is a string; a file of results has no display name."""
    shown = {
        "name": stored.id,
        "displayName": stored.filename,
        "mimeType": stored.mime_type,
        "sizeBytes": str(len(stored.content)),
        "createTime": timestamp(stored.created_at),
        "updateTime": timestamp(stored.created_at),
        "expirationTime": timestamp(stored.expires_at),
        "uri": f"https://generativelanguage.googleapis.com/v1beta/{stored.id}",
        "state": "ACTIVE",
        "source": "UPLOADED" if stored.purpose == "batch" else "GENERATED",
    }
    return {name: value for name, value in shown.items() if value}


async def start_upload(call: Call) -> Response:
    """The first of an upload's two requests: it tells what the file is, and gets the URL that the bytes go to."""
    simulation, headers = call.simulation, call.request.headers
    if headers.get("x-goog-upload-protocol") != "resumable" or headers.get("x-goog-upload-command") != "start":
        raise bad(
            "this server takes uploads with X-Goog-Upload-Protocol: resumable, beginning with X-Goog-Upload-Command: start"
        )
    body = await call.json(simulation.settings.call_max_bytes) if await call.request.body() else {}
    file = only(only(body, "", ("file",)).get("file", {}), "file", FIELDS)
    file_id = file.get("name") or f"files/{fresh_id('')}"
    if not isinstance(file_id, str) or not NAME.fullmatch(file_id):
        raise bad(f"file.name: {file_id!r} is not files/ and at most 40 of a-z, 0-9 and -, with no - at either end")
    if _kept(call, file_id) is not None:
        raise ApiError(409, f"File {file_id} already exists.")
    mime_type = file.get("mimeType") or headers.get("x-goog-upload-header-content-type", "application/octet-stream")
    upload_id = fresh_id("upload-")
    simulation.uploads[upload_id] = Upload(call.workspace, file_id, str(file.get("displayName", "")), str(mime_type))
    base = f"{str(call.request.base_url).rstrip('/')}{call.request.url.path.partition('/upload/')[0]}"
    if simulation.faults.draw(("elsewhere",), "google", call.endpoint, call.endpoint) is not None:
        base = "https://generativelanguage.googleapis.invalid"
    url = f"{base}/upload/v1beta/files?upload_id={upload_id}&upload_protocol=resumable"
    return Response(headers={"x-goog-upload-url": url, "x-goog-upload-status": "active"})


async def upload_bytes(call: Call) -> Response:
    """The bytes of an upload, in one request or in several, of which the last one finalizes it."""
    simulation, headers = call.simulation, call.request.headers
    upload = simulation.uploads.get(call.request.query_params["upload_id"])
    if upload is None or upload.workspace != call.workspace:
        raise ApiError(404, "No such upload, or it has been finalized.")
    commands = {command.strip() for command in headers.get("x-goog-upload-command", "").split(",")}
    if "upload" not in commands or not commands <= {"upload", "finalize"}:
        raise bad(f"X-Goog-Upload-Command: {headers.get('x-goog-upload-command')!r} is neither 'upload' nor 'upload, finalize'")
    offset = headers.get("x-goog-upload-offset", "")
    if offset != str(len(upload.content)):
        raise bad(f"X-Goog-Upload-Offset: {offset!r}, and {len(upload.content)} bytes have come")
    upload.content += await call.body(simulation.settings.google_file_max_bytes - len(upload.content))
    if "finalize" not in commands:
        return Response(headers={"x-goog-upload-status": "active"})
    del simulation.uploads[call.request.query_params["upload_id"]]
    if _kept(call, upload.file_id) is not None:
        raise ApiError(409, f"File {upload.file_id} already exists.")
    now = call.now + simulation.skew_s
    stored = StoredFile(
        id=upload.file_id,
        workspace=call.workspace,
        filename=upload.filename,
        purpose="batch",
        created_at=now,
        content=bytes(upload.content),
        expires_at=now + LIFE_S,
        mime_type=upload.mime_type,
        provider="google",
    )
    simulation.files[stored.id] = stored
    return JSONResponse({"file": _shown(stored)}, headers={"x-goog-upload-status": "final"})


def _kept(call: Call, file_id: str) -> StoredFile | None:
    stored = call.simulation.files.get(file_id)
    return None if stored is None or stored.expires_at <= call.now + call.simulation.skew_s else stored


def found_file(call: Call, file_id: str) -> StoredFile:
    """A file that this workspace may see and that has not expired; otherwise raises ApiError 404."""
    stored = _kept(call, file_id)
    if stored is None or stored.workspace != call.workspace:
        raise ApiError(404, f"File {file_id} was not found.")
    return stored


def _named(call: Call) -> StoredFile:
    return found_file(call, f"files/{call.request.path_params['id']}")


async def list_files(call: Call) -> Response:
    query = call.query(pageSize=int, pageToken=str)
    size = whole(query.get("pageSize", 0), 0, "pageSize") or 10
    stored_files = list(call.simulation.files.values())
    theirs = [stored for stored in stored_files if (stored.provider, stored.workspace) == ("google", call.workspace)]
    files = [_shown(stored) for stored in theirs if _kept(call, stored.id)]
    return JSONResponse(paged(call, "files", files[::-1], size, query.get("pageToken")))


async def retrieve_file(call: Call) -> Response:
    return JSONResponse(_shown(_named(call)))


async def delete_file(call: Call) -> Response:
    del call.simulation.files[_named(call).id]
    return JSONResponse({})


async def download_file(call: Call) -> Response:
    stored = _named(call)
    if call.query(alt=str).get("alt") != "media":
        raise bad("alt: a download needs alt=media")
    if stored.purpose == "batch":
        raise bad(f"{stored.id} was uploaded; only files that the API has made can be downloaded")
    return Response(short_results.download(call, stored.content), media_type="application/octet-stream")
