"""Gemini's batches: operations by time, and the rows of those that have succeeded."""

import json
import random
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from simulator.batches import Batch, Outcome, Row
from simulator.calls import Call
from simulator.errors import RPC_CODES, ApiError
from simulator.files import StoredFile
from simulator.google_answers import response
from simulator.google_api import paged
from simulator.google_details import HELP
from simulator.google_files import found_file, timestamp
from simulator.google_lines import BadInput, inline, lines, rows, schemas
from simulator.google_requests import bad, only, whole
from simulator.ledger import BatchRecord
from simulator.prices import estimated_tokens
from simulator.simulation import Simulation, fresh_id

LIFE_S = 48 * 3600
"""A batch that is still pending or running after this expires."""

TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
STATES = {"completed": "SUCCEEDED", "expired": "EXPIRED", "cancelled": "CANCELLED"}
ODD_STATE = "BATCH_STATE_PARTIALLY_SUCCEEDED"
DONE = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


def _input(call: Call, config: Any) -> tuple[dict[str, Any], bytes | list[tuple[str, Any]]]:
    """What the operation shows of the input, and the input itself: a file's content, or inline requests."""
    only(config, "batch.inputConfig", ("fileName", "requests"))
    if len(config) != 1:
        raise bad("batch.inputConfig: exactly one of fileName and requests must be set")
    if "requests" in config:
        return {}, inline(config["requests"])
    stored = _input_file(call, str(config["fileName"]))
    if stored.purpose != "batch":
        raise bad(f"{stored.id} was not uploaded")
    return {"inputConfig": {"fileName": stored.id}}, stored.content


def _input_file(call: Call, file_id: str) -> StoredFile:
    faults = call.simulation.faults
    if faults.draw(("file_gone",), "google", call.endpoint, call.endpoint, call.api_key) is not None:
        call.simulation.files.pop(file_id, None)
    elif faults.draw(("unknown_file",), "google", call.endpoint, call.endpoint, call.api_key) is not None:
        raise ApiError(404, f"File {file_id} was not found.")
    return found_file(call, file_id)


def _refuse_too_much(call: Call, model: str, read: list[Row]) -> None:
    """Raise ApiError 429 where too many batches are under way, or too many tokens wait for the model."""
    settings = call.simulation.settings
    mine = [b for b in call.simulation.running() if (b.provider, b.workspace) == ("google", call.workspace)]
    if len(mine) >= settings.google_batches_at_once:
        raise ApiError(429, "Resource has been exhausted (e.g. check quota): batches at once.", details=[HELP])
    if settings.google_enqueued_tokens is not None:
        waiting = [row for batch in mine if batch.model == model for row in batch.rows] + read
        if _tokens(waiting) > settings.google_enqueued_tokens:
            raise ApiError(429, "Resource has been exhausted (e.g. check quota): enqueued tokens.", details=[HELP])


def _tokens(read: list[Row]) -> int:
    return sum(estimated_tokens(row.prompt.utf8_bytes) for row in read if row.prompt is not None)


def _failure(call: Call, read: list[Row]) -> tuple[dict[str, Any] | None, bool]:
    """The error of a batch that is going to fail, if it is; and whether it does so only when its rows have been worked."""
    settings = call.simulation.settings
    if settings.google_mixed_schemas != "taken" and schemas(read) > 1:
        message = "All requests of a batch must have the same response schema."
        if settings.google_mixed_schemas == "refused":
            raise bad(message)
        return {"code": RPC_CODES["INVALID_ARGUMENT"], "message": message}, False
    injected = call.simulation.faults.draw(("failed_validation",), "google", call.endpoint, call.endpoint)
    if injected is None:
        return None, False
    code = int(injected.code) if injected.code is not None and injected.code.isdecimal() else RPC_CODES["RESOURCE_EXHAUSTED"]
    message = injected.message or f"Simulated failure of a batch: {code}."
    return {"code": code, "message": message}, injected.variant == "at_end"


async def create_batch(call: Call) -> Response:
    simulation, now, model = call.simulation, call.now, call.request.path_params["model"]
    if not simulation.models.knows("google", model):
        raise ApiError(404, f"models/{model} is not found for API version v1beta, or does not support batches.")
    call.model = model
    body = await call.json(simulation.settings.google_inline_max_bytes)
    asked = only(only(body, "", ("batch",)).get("batch"), "batch", ("displayName", "inputConfig", "model", "priority"))
    if asked.get("model", f"models/{model}") != f"models/{model}":
        raise bad(f"batch.model: {asked['model']!r} is not the model of the path, models/{model}")
    shown, given = _input(call, asked.get("inputConfig"))
    error, at_end = None, False
    try:
        read = rows(call, model, lines(given) if isinstance(given, bytes) else given)
        error, at_end = _failure(call, read)
    except BadInput as broken:
        read, error = [], {"code": RPC_CODES["INVALID_ARGUMENT"], "message": str(broken)}
    _refuse_too_much(call, model, read)
    batch = Batch(
        id=f"batches/{fresh_id('')}",
        provider="google",
        workspace=call.workspace,
        model=model,
        created_at=now,
        started_at=now + simulation.settings.validation_s,
        duration_s=simulation.settings.batch_duration_s,
        rows=read,
        all_or_nothing=True,
        lives_s=LIFE_S,
        details={
            "shown": shown,
            "metadata": {"displayName": str(asked.get("displayName", ""))},
            "errors": [error] if error else [],
            "runs": error is None or at_end,
        },
    )
    simulation.add_batch(batch, call.api_key, runs=batch.details["runs"])
    batch.cancel_duration_s = 0.0
    call.batch = BatchRecord(batch.id, now, "google", call.workspace, len(read))
    return JSONResponse(_shown(batch, "PENDING", now))


def _state(batch: Batch, now: float) -> str:
    if batch.ended_by is not None:
        return "FAILED" if batch.details["errors"] and batch.ended_by == "completed" else STATES[batch.ended_by]
    if "shown_cancelled" in batch.details:
        return "CANCELLED"
    if now < batch.started_at:
        return "PENDING"
    return "FAILED" if batch.details["errors"] and not batch.details["runs"] else "RUNNING"


def _stats(batch: Batch, state: str, now: float) -> dict[str, str]:
    """The counts, as strings; those that are zero are absent. A batch that gives no rows has had no success."""
    ended = batch.ended_at is not None
    size = batch.size - batch.outcome_count("missing", "status_zero")
    successful = batch.outcome_count("succeeded") if ended else batch.rows_done(now)
    counts = {
        "requestCount": size,
        "successfulRequestCount": 0 if state == "PENDING" else successful,
        "failedRequestCount": batch.outcome_count("errored"),
    }
    counts["pendingRequestCount"] = 0 if state in DONE else size - counts["successfulRequestCount"]
    return {name: str(count) for name, count in counts.items() if count}


def _shown(batch: Batch, state: str, now: float) -> dict[str, Any]:
    """The operation in the given state."""
    created = timestamp(batch.created_at + batch.skew_s)
    ended_at = batch.ended_at
    if ended_at is None and state in DONE:
        ended_at = batch.details.get("shown_cancelled", batch.started_at)
    metadata: dict[str, Any] = {
        "@type": TYPE,
        "name": batch.id,
        "model": f"models/{batch.model}",
        "displayName": batch.details["metadata"]["displayName"],
        **batch.details["shown"],
        "createTime": created,
        "updateTime": created if ended_at is None else timestamp(ended_at + batch.skew_s),
        "batchStats": _stats(batch, state, now),
        "state": f"BATCH_STATE_{state}",
    }
    if ended_at is not None:
        metadata["endTime"] = metadata["updateTime"]
    if state == "SUCCEEDED":
        metadata["output"] = batch.details["output"]
    operation: dict[str, Any] = {"name": batch.id, "metadata": metadata}
    if state in DONE:
        operation["done"] = True
    if state == "FAILED":
        operation["error"] = batch.details["errors"][0]
    return operation


def _row(outcome: Outcome) -> dict[str, Any]:
    """`{"response"}` or `{"error"}` of a row; a fault may have it call the latter `status`."""
    if outcome.completion is not None:
        return {"response": response(fresh_id(""), outcome.completion)}
    assert outcome.error is not None  # a row that was worked without an answer has failed
    variant = "" if outcome.fault is None else outcome.fault.variant
    return {"status" if variant == "status" else "error": outcome.error.google_rpc(http_code=variant == "http_code")}


def _keyed(outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
    """The rows of one request, each with its key: one, but for what a fault makes of them."""
    kind = "" if outcome.fault is None else outcome.fault.fault
    key = f"{outcome.custom_id}-of-nobody" if kind == "unknown_key" else outcome.custom_id
    return [(key, _row(outcome)) for _ in range(2 if kind == "doubled" else 1)]


def publish(simulation: Simulation, batch: Batch) -> None:
    """Make what a batch that has succeeded puts out, once: a file, or rows in the operation. Rows are in no order."""
    if batch.ended_by != "completed" or batch.details["errors"] or "output" in batch.details:
        return
    worked = [outcome for outcome in batch.outcomes if outcome.completion is not None or outcome.error is not None]
    keyed = [row for outcome in worked for row in _keyed(outcome)]
    random.Random(f"{simulation.settings.seed}:{len(keyed)}").shuffle(keyed)
    if not batch.details["shown"]:
        inlined = [{**row, "metadata": {"key": key}} for key, row in keyed]
        batch.details["output"] = {"inlinedResponses": {"inlinedResponses": inlined}}
        return
    ended_at = batch.ended_at or 0.0
    stored = StoredFile(
        id=batch.id.replace("batches/", "files/batch-"),
        workspace=batch.workspace,
        filename="",
        purpose="batch_output",
        created_at=ended_at,
        content="".join(json.dumps({"key": key, **row}, ensure_ascii=False) + "\n" for key, row in keyed).encode(),
        expires_at=ended_at + simulation.settings.google_results_kept_s,
        mime_type="application/jsonl",
        provider="google",
    )
    simulation.files[stored.id] = stored
    batch.details["output"] = {"responsesFile": stored.id}


def _operation(call: Call, batch: Batch) -> dict[str, Any]:
    """The operation as it is shown now, in the way that an armed fault wants it."""
    publish(call.simulation, batch)
    operation = _shown(batch, _state(batch, call.now), call.now)
    fault = call.simulation.faults.draw(("odd_operation",), "google", call.endpoint, call.endpoint, call.api_key)
    metadata = operation["metadata"]
    match fault.variant if fault is not None else "":
        case "job_state":
            metadata["state"] = metadata["state"].replace("BATCH_STATE_", "JOB_STATE_")
        case "unknown_state" if fault is not None:
            metadata["state"] = fault.reason or ODD_STATE
        case "response_only" if "output" in metadata:
            operation["response"] = {"@type": f"{TYPE}Output", **metadata.pop("output")}
    return operation


def _found(call: Call) -> Batch:
    batch_id = f"batches/{call.request.path_params['id']}"
    batch = call.simulation.batch("google", call.workspace, batch_id)
    if batch is None or "deleted" in batch.details:
        raise ApiError(404, f"Batch {batch_id} was not found.")
    call.model = batch.model
    return batch


def _odd_counts(stats: dict[str, str], variant: str) -> dict[str, str]:
    match variant:
        case "high":  # one answer more than there is
            more = {name: str(int(stats.get(name, "0")) + 1) for name in ("requestCount", "successfulRequestCount")}
            return {**stats, **more}
        case "low":
            return {name: str(int(count) // 2) for name, count in stats.items() if int(count) > 1}
        case _:
            return {}


async def retrieve_batch(call: Call) -> Response:
    batch, faults = _found(call), call.simulation.faults
    operation = _operation(call, batch)
    metadata = operation["metadata"]
    if batch.ended_at is not None:
        if faults.draw(("file_late",), "google", call.endpoint, call.endpoint) is not None:
            metadata.pop("output", None)
        odd = faults.draw(("odd_counts",), "google", call.endpoint, call.endpoint, call.api_key)
        if odd is not None:
            metadata["batchStats"] = _odd_counts(metadata["batchStats"], odd.variant)
            if odd.variant == "absent":
                del metadata["batchStats"]
    return JSONResponse(operation)


async def list_batches(call: Call) -> Response:
    """Newest first. Without a page size the list is empty, as it was seen in the field."""
    query = call.query(pageSize=int, pageToken=str, fields=str)
    if "fields" in query and not call.simulation.settings.google_fields:
        raise bad("Request contains an invalid argument: fields.")
    if not whole(query.get("pageSize", 0), 0, "pageSize"):
        return JSONResponse({})
    batches = call.simulation.batches_of("google", call.workspace)
    shown = [_operation(call, batch) for batch in batches if "deleted" not in batch.details]
    page = paged(call, "operations", shown, query["pageSize"], query.get("pageToken"))
    if call.simulation.faults.draw(("odd_list",), "google", call.endpoint, call.endpoint, call.api_key) is not None:
        page["operations"] = page.get("operations", [])[::-1]
    return JSONResponse(masked(page, query["fields"]) if "fields" in query else page)


def masked(value: Any, fields: str) -> Any:
    """The parts of `value` that a mask names: paths by dots or slashes, with commas between them."""
    tree: dict[str, Any] = {}
    for path in fields.split(","):
        branch = tree
        for name in path.strip().replace("/", ".").split("."):
            branch = branch.setdefault(name, {})
    return _kept(value, tree)


def _kept(value: Any, tree: Mapping[str, Any]) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_kept(each, tree) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _kept(value[name], branch) for name, branch in tree.items() if name in value}


async def cancel_batch(call: Call) -> Response:
    """Cancelled at once, and without rows; a fault has the work go on, and end as if nothing had been cancelled."""
    batch = _found(call)
    if batch.ended_at is None and batch.cancel_at is None:
        if call.simulation.faults.draw(("cancelled_runs_on",), "google", call.endpoint, call.endpoint) is not None:
            batch.details["shown_cancelled"] = call.now
        else:
            batch.cancel_at = call.now
    return JSONResponse({})


async def delete_batch(call: Call) -> Response:
    """Nobody sees the batch any more; the work goes on unless a setting says otherwise."""
    batch = _found(call)
    batch.details["deleted"] = True
    if call.simulation.settings.google_delete_stops and batch.ended_at is None:
        batch.cancel_at = call.now
    return JSONResponse({})
