"""OpenAI's API without its batches: chat completions, files, models."""

import math
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from simulator import short_results
from simulator.calls import Call
from simulator.completion import Completion
from simulator.errors import ApiError
from simulator.files import StoredFile
from simulator.openai_requests import bad, read_body
from simulator.prices import Usage, estimated_tokens
from simulator.simulation import fresh_id

FINISH_REASONS = {"complete": "stop", "refused": "stop", "cut": "length"}
UPLOAD_FIELDS = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")


def shown_usage(usage: Usage) -> dict[str, Any]:
    """The `usage` object of a chat completion."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def chat_completion(completion_id: str, model: str, completion: Completion, created_at: float) -> dict[str, Any]:
    """The `chat.completion` object."""
    refused = completion.ending == "refused"
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": None if refused else completion.text,
        "refusal": completion.text if refused else None,
        "annotations": [],
    }
    return {
        "id": completion_id,
        "object": "chat.completion",
        "created": int(created_at),
        "model": model,
        "choices": [{"index": 0, "message": answer, "logprobs": None, "finish_reason": FINISH_REASONS[completion.ending]}],
        "usage": shown_usage(completion.usage),
        "service_tier": "default",
        "system_fingerprint": None,
    }


async def create_completion(call: Call) -> Response:
    simulation = call.simulation
    prompt = read_body(await call.json(simulation.settings.call_max_bytes), simulation.models)
    call.model = prompt.model
    limiter = simulation.limits.of("openai", call.workspace, prompt.model)
    charged = max(prompt.max_tokens or 0, estimated_tokens(prompt.utf8_bytes))
    wait_s = limiter.admit(charged, call.now)
    call.limit_headers = limiter.openai_headers
    if wait_s > 0:
        raise ApiError(429, f"Rate limit reached for {prompt.model}.", retry_after_s=math.ceil(wait_s))
    completion_id = fresh_id("chatcmpl-")
    completion, paid = simulation.answer_call(prompt, call.endpoint, call.workspace, completion_id)
    call.items += paid
    return JSONResponse(chat_completion(completion_id, prompt.model, completion, call.now))


async def create_file(call: Call) -> Response:
    most = call.simulation.settings.openai_file_max_bytes
    async with call.request.form(max_files=1, max_fields=len(UPLOAD_FIELDS)) as form:
        for name in form:
            if name not in UPLOAD_FIELDS:
                raise bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        upload, purpose = form.get("file"), form.get("purpose")
        if not isinstance(upload, UploadFile):
            raise bad("Missing required parameter: 'file'.", "file", "missing_required_parameter")
        if purpose != "batch":
            raise bad(f"'{purpose}' is not a purpose this server knows; it takes 'batch'.", "purpose", "invalid_value")
        content = await upload.read()
        filename = upload.filename or "upload"
    if len(content) > most:
        raise ApiError(413, f"File is too large: {len(content)} bytes, at most {most} are allowed.", param="file")
    stored = StoredFile(fresh_id("file-"), call.workspace, filename, "batch", call.now + call.simulation.skew_s, content)
    call.simulation.files[stored.id] = stored
    return JSONResponse(stored.shown())


def found_file(call: Call, file_id: str) -> StoredFile:
    """A file that this workspace may see; otherwise raises ApiError 404."""
    stored = call.simulation.files.get(file_id)
    if stored is None or stored.workspace != call.workspace:
        raise ApiError(404, f"No such File object: {file_id}", param="id")
    return stored


async def list_files(call: Call) -> Response:
    query = call.query(limit=int, after=str, order=str, purpose=str)
    stored_files = call.simulation.files.values()
    files = [stored for stored in stored_files if (stored.provider, stored.workspace) == ("openai", call.workspace)]
    if "purpose" in query:
        files = [stored for stored in files if stored.purpose == query["purpose"]]
    if query.get("order") != "asc":
        files.reverse()
    return JSONResponse(page([stored.shown() for stored in files], query.get("after"), query.get("limit", 10_000)))


def page(objects: list[dict[str, Any]], after: str | None, limit: int) -> dict[str, Any]:
    """The list object with at most `limit` of `objects`, beginning after the one with id `after`."""
    places = {shown["id"]: place for place, shown in enumerate(objects)}
    if after is not None and after not in places:
        raise bad(f"No object with id '{after}' to list after.", "after", "invalid_value")
    start = 0 if after is None else places[after] + 1
    data = objects[start : start + limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": start + limit < len(objects),
    }


async def retrieve_file(call: Call) -> Response:
    return JSONResponse(found_file(call, call.request.path_params["id"]).shown())


async def file_content(call: Call) -> Response:
    stored = found_file(call, call.request.path_params["id"])
    content = stored.content if stored.purpose == "batch" else short_results.download(call, stored.content)
    return Response(content, media_type="application/octet-stream")


async def delete_file(call: Call) -> Response:
    stored = found_file(call, call.request.path_params["id"])
    del call.simulation.files[stored.id]
    return JSONResponse({"id": stored.id, "object": "file", "deleted": True})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_791_936_000, "owned_by": "openai"}


async def retrieve_model(call: Call) -> Response:
    model_id = call.request.path_params["id"]
    if call.simulation.models.knows("openai", model_id):
        return JSONResponse(_model(model_id))
    raise ApiError(404, f"The model '{model_id}' does not exist", param="model", code="model_not_found")


async def list_models(call: Call) -> Response:
    return JSONResponse({"object": "list", "data": [_model(name) for name in call.simulation.models.listed("openai")]})
