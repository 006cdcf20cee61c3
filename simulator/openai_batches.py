"""OpenAI's batches: validation after create, states by time, output and error files."""

import json
import random
from typing import Any

from starlette.responses import JSONResponse, Response

from simulator import short_results
from simulator.batches import Batch, Outcome, Row
from simulator.calls import Call
from simulator.errors import ApiError
from simulator.files import StoredFile
from simulator.ledger import BatchRecord
from simulator.openai_api import chat_completion, found_file, page
from simulator.openai_lines import Complaint, enqueued_tokens, read_lines
from simulator.openai_requests import bad, only
from simulator.simulation import Simulation, fresh_id

FIELDS = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
URL = "/v1/chat/completions"
MOST_METADATA, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512
MOST_LISTED = 100

EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}


def _metadata(metadata: Any) -> dict[str, str] | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or len(metadata) > MOST_METADATA:
        raise bad(f"Invalid 'metadata': expected an object of at most {MOST_METADATA} properties.", "metadata")
    for key, value in metadata.items():
        if len(key) > LONGEST_KEY or not isinstance(value, str) or len(value) > LONGEST_VALUE:
            message = f"Invalid 'metadata.{key[:LONGEST_KEY]}': keys of at most {LONGEST_KEY} characters,"
            raise bad(f"{message} strings of at most {LONGEST_VALUE}.", "metadata")
    return metadata


async def create_batch(call: Call) -> Response:
    simulation, now = call.simulation, call.now
    body = only(await call.json(simulation.settings.call_max_bytes), "", FIELDS)
    for name in ("input_file_id", "endpoint", "completion_window"):
        if name not in body:
            raise bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if body["endpoint"] != URL:
        raise bad(f"Invalid value: '{body['endpoint']}'. This server takes '{URL}'.", "endpoint", "invalid_value")
    if body["completion_window"] != "24h":
        message = f"Invalid value: '{body['completion_window']}'. Value must be '24h'."
        raise bad(message, "completion_window", "invalid_value")
    metadata = _metadata(body.get("metadata"))
    stored = _input_file(call, body["input_file_id"])
    if stored.purpose != "batch":
        raise bad(f"File {stored.id} has purpose '{stored.purpose}'; a batch needs 'batch'.", "input_file_id")

    rows, complaints = _validated(call, stored.content)
    model = next((row.prompt.model for row in rows if row.prompt is not None), "")
    call.model = model or None
    batch = Batch(
        id=fresh_id("batch_"),
        provider="openai",
        workspace=call.workspace,
        model=model,
        created_at=now,
        started_at=now + simulation.settings.validation_s,
        duration_s=simulation.settings.batch_duration_s,
        rows=rows,
        details={"input_file_id": stored.id, "metadata": metadata, "errors": complaints},
    )
    simulation.add_batch(batch, call.api_key, runs=not complaints)
    call.batch = BatchRecord(batch.id, now, "openai", call.workspace, len(rows))
    return JSONResponse(_shown(batch, "validating", now))


def _input_file(call: Call, file_id: str) -> StoredFile:
    faults = call.simulation.faults
    if faults.draw(("file_gone",), "openai", call.endpoint, call.endpoint, call.api_key) is not None:
        call.simulation.files.pop(file_id, None)
    elif faults.draw(("unknown_file",), "openai", call.endpoint, call.endpoint, call.api_key) is not None:
        raise bad(f"Cannot find file {file_id}.", "input_file_id")
    try:
        return found_file(call, file_id)
    except ApiError as missing:
        raise bad(missing.message, "input_file_id") from missing


def _validated(call: Call, content: bytes) -> tuple[list[Row], list[Complaint]]:
    """The rows of an input file, or why the batch will fail: by what is wrong with its lines, otherwise by an armed fault."""
    simulation = call.simulation
    settings = simulation.settings
    rows, complaints = read_lines(content, settings.openai_batch_max_requests, simulation.models)
    injected = simulation.faults.draw(("failed_validation",), "openai", call.endpoint, call.endpoint)
    if not complaints and injected is not None:
        code = injected.code or "token_limit_exceeded"
        complaints = [Complaint(code, injected.message or f"Simulated failure of validation: {code}.", injected.line)]
    if not complaints and settings.openai_enqueued_tokens is not None:
        waiting = [b.rows for b in simulation.running() if (b.provider, b.workspace) == ("openai", call.workspace)]
        enqueued = enqueued_tokens(rows, waiting)
        if enqueued > settings.openai_enqueued_tokens:
            most = settings.openai_enqueued_tokens
            message = f"Enqueued token limit reached: {enqueued} tokens with this batch, at most {most} are allowed."
            complaints = [Complaint("token_limit_exceeded", message)]
    if complaints:
        return [], complaints
    return [
        row if row.prompt is None else Row(row.custom_id, row.prompt, simulation.row_fault(row.prompt, call.endpoint), None)
        for row in rows
    ], []


def _status(batch: Batch, now: float) -> str:
    if now < batch.started_at:
        return "validating"
    if batch.details["errors"]:
        return "failed"
    if batch.ended_by is not None:
        return batch.ended_by
    return "in_progress" if batch.cancel_at is None else "cancelling"


def _shown(batch: Batch, status: str, now: float) -> dict[str, Any]:
    """The `batch` object in the given status."""

    def when(at: float | None, *statuses: str) -> int | None:
        shown = batch.shown_at(at)
        return int(shown) if shown is not None and (not statuses or status in statuses) else None

    ended = batch.ended_at is not None
    # The count of completed rows grows while a batch runs; the count of failed ones is known at its end.
    completed = batch.outcome_count("succeeded") if ended else batch.rows_done(now)
    failed = batch.outcome_count("errored", "status_zero")  # expired rows are in the error file, but are not counted as failed
    validating = status in ("validating", "failed")
    errors = batch.details["errors"]
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": URL,
        "model": batch.model or None,
        "errors": {"object": "list", "data": [e.shown() for e in errors]} if status == "failed" else None,
        "input_file_id": batch.details["input_file_id"],
        "completion_window": "24h",
        "status": status,
        "output_file_id": batch.details.get("output_file_id"),
        "error_file_id": batch.details.get("error_file_id"),
        "created_at": when(batch.created_at),
        "in_progress_at": None if validating else when(batch.started_at),
        "expires_at": when(batch.expires_at),
        "finalizing_at": when(batch.ended_at, "completed"),
        "completed_at": when(batch.ended_at, "completed"),
        "failed_at": when(batch.started_at, "failed"),
        "expired_at": when(batch.ended_at, "expired"),
        "cancelling_at": when(batch.cancel_at),
        "cancelled_at": when(batch.ended_at, "cancelled"),
        "request_counts": {
            # The `missing` fault takes a row out of the counts too. A row that is counted and does not come is a short
            # download.
            "total": 0 if validating else batch.size - batch.outcome_count("missing"),
            "completed": 0 if validating else completed,
            "failed": failed,
        },
        "metadata": batch.details["metadata"],
    }


def _line(batch: Batch, outcome: Outcome) -> tuple[bool, dict[str, Any]]:
    """Whether the row belongs in the output file (otherwise in the error file), and what it looks like."""
    response: dict[str, Any] | None = None
    failure: dict[str, str] | None = None
    request_id = fresh_id("")
    if outcome.completion is not None:
        body = chat_completion(fresh_id("chatcmpl-"), outcome.model, outcome.completion, batch.ended_at or 0.0)
        response = {"status_code": 200, "request_id": request_id, "body": body}
    elif outcome.error is not None:
        # An HTTP failure is a response of the row, not its `error`.
        response = {"status_code": outcome.error.status, "request_id": request_id, "body": outcome.error.openai_body()}
    elif outcome.kind == "status_zero":
        response = {"status_code": 0, "request_id": "", "body": {}}
    else:
        failure = EXPIRED
    row = {"id": fresh_id("batch_req_"), "custom_id": outcome.custom_id, "response": response, "error": failure}
    return outcome.completion is not None, row


def publish(simulation: Simulation, batch: Batch) -> None:
    """Make the files of a batch that has ended, once. There is no empty file; cancelled and missing rows are in neither."""
    if batch.ended_at is None or "output_file_id" in batch.details:
        return
    lines: dict[bool, list[str]] = {True: [], False: []}
    for outcome in batch.outcomes:
        if outcome.kind not in ("missing", "canceled"):
            is_output, row = _line(batch, outcome)
            lines[is_output].append(json.dumps(row, ensure_ascii=False))
    for is_output, name in ((True, "output"), (False, "error")):
        file_id = None
        if lines[is_output]:
            random.Random(f"{simulation.settings.seed}:{len(lines[is_output])}").shuffle(lines[is_output])
            content = "".join(line + "\n" for line in lines[is_output]).encode()
            file_id = fresh_id("file-")
            filename = f"{batch.id}_{name}.jsonl"
            stored = StoredFile(file_id, batch.workspace, filename, "batch_output", batch.ended_at, content)
            simulation.files[file_id] = stored
        batch.details[f"{name}_file_id"] = file_id


def _found(call: Call) -> Batch:
    batch_id = call.request.path_params["id"]
    batch = call.simulation.batch("openai", call.workspace, batch_id)
    if batch is None:
        raise ApiError(404, f"No batch found with id '{batch_id}'.")
    call.model = batch.model or None
    publish(call.simulation, batch)
    return batch


async def retrieve_batch(call: Call) -> Response:
    batch, now = _found(call), call.now
    answer = _shown(batch, _status(batch, now), now)
    if answer["status"] == "completed":
        late = call.simulation.faults.draw(("file_late",), "openai", call.endpoint, call.endpoint)
        if late is not None:
            answer |= {"output_file_id": None, "error_file_id": None}
    if batch.ended_at is not None:
        answer = short_results.counts(call, answer, answered="completed")
    return JSONResponse(answer)


async def list_batches(call: Call) -> Response:
    query, now = call.query(limit=int, after=str), call.now
    limit = query.get("limit", 20)
    if not 1 <= limit <= MOST_LISTED:
        raise bad(f"Invalid 'limit': {limit}. Expected a value from 1 to {MOST_LISTED}.", "limit")
    batches = call.simulation.batches_of("openai", call.workspace)
    for batch in batches:
        publish(call.simulation, batch)
    shown = [_shown(batch, _status(batch, now), now) for batch in batches]
    return JSONResponse(page(shown, query.get("after"), limit))


async def cancel_batch(call: Call) -> Response:
    batch, now = _found(call), call.now
    status = _status(batch, now)
    if status not in ("validating", "in_progress", "cancelling"):
        raise ApiError(409, f"Cannot cancel a batch with status '{status}'.")
    if batch.cancel_at is None:
        batch.cancel_at = now
    return JSONResponse(_shown(batch, "cancelling", now))
