"""Anthropic's API: messages, message batches, models."""

import json
import math
import random
import re
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from simulator import short_results
from simulator.anthropic_requests import bad, only, read_params
from simulator.batches import Batch, Outcome, Row
from simulator.calls import Call
from simulator.completion import Completion
from simulator.errors import ApiError
from simulator.ledger import BatchRecord
from simulator.simulation import fresh_id

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
STOP_REASONS = {"complete": "end_turn", "refused": "refusal", "cut": "max_tokens"}
MOST_LISTED = 1000


def timestamp(at: float | None) -> str | None:
    """RFC 3339 in UTC, microseconds shown."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def message(message_id: str, model: str, completion: Completion, tier: str) -> dict[str, Any]:
    """The `message` object of a completion; `tier` is standard or batch."""
    usage = completion.usage
    refused = completion.ending == "refused"
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [] if refused else [{"type": "text", "text": completion.text}],
        "stop_reason": STOP_REASONS[completion.ending],
        "stop_sequence": None,
        "stop_details": ({"type": "refusal", "category": None, "explanation": completion.text} if refused else None),
        "usage": {
            "input_tokens": usage.uncached_input,
            "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
            "cache_read_input_tokens": usage.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": usage.cache_write_5m,
                "ephemeral_1h_input_tokens": usage.cache_write_1h,
            },
            "output_tokens": usage.output_tokens,
            "service_tier": tier,
        },
    }


async def create_message(call: Call) -> Response:
    simulation = call.simulation
    prompt = read_params(await call.json(simulation.settings.call_max_bytes), simulation.models)
    call.model = prompt.model
    limiter = simulation.limits.of("anthropic", call.workspace, prompt.model)
    wait_s = limiter.admit(simulation.model.cache.uncached_tokens(call.workspace, prompt, call.now), call.now)
    call.limit_headers = limiter.anthropic_headers
    if wait_s > 0:
        raise ApiError(429, "This request would exceed your rate limit.", retry_after_s=math.ceil(wait_s))
    message_id = fresh_id("msg_")
    completion, paid = simulation.answer_call(prompt, call.endpoint, call.workspace, message_id)
    call.items += paid
    call.after = lambda: limiter.answered(completion.usage.output_tokens, call.now)
    return JSONResponse(message(message_id, prompt.model, completion, "standard"))


def _rows(call: Call, requests: Any) -> list[Row]:
    """The rows of a batch. Wrong params of a request show only in its result row; anything else that is wrong is a 400 now."""
    settings = call.simulation.settings
    if not isinstance(requests, list) or not requests:
        raise bad("requests: at least one request is required")
    if len(requests) > settings.anthropic_batch_max_requests:
        most = settings.anthropic_batch_max_requests
        raise bad(f"requests: {len(requests)} requests in a batch, at most {most} are allowed")
    rows: list[Row] = []
    seen: set[str] = set()
    for number, request in enumerate(requests):
        only(request, f"requests.{number}", ("custom_id", "params"))
        custom_id = request.get("custom_id")
        if not isinstance(custom_id, str) or not CUSTOM_ID.fullmatch(custom_id):
            raise bad(f"requests.{number}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if custom_id in seen:
            raise bad(f"requests.{number}.custom_id: custom_id must be unique within a batch; found {custom_id!r} twice")
        seen.add(custom_id)
        if "params" not in request:
            raise bad(f"requests.{number}.params: Field required")
        try:
            prompt = read_params(request["params"], call.simulation.models)
        except ApiError as error:
            rows.append(Row(custom_id, None, None, error))
        else:
            rows.append(Row(custom_id, prompt, call.simulation.row_fault(prompt, call.endpoint), None))
    return rows


def _refuse_too_many(call: Call, rows: int) -> None:
    most = call.simulation.settings.anthropic_queued_requests
    if most is None:
        return
    waiting = (
        batch for batch in call.simulation.running() if (batch.provider, batch.workspace) == ("anthropic", call.workspace)
    )
    queued = sum(batch.size for batch in waiting) + rows
    if queued > most:
        raise ApiError(429, f"Too many requests in the batch queue: {queued}, at most {most} are allowed.", retry_after_s=1)


async def create_batch(call: Call) -> Response:
    simulation = call.simulation
    body = await call.json(simulation.settings.anthropic_batch_max_bytes)
    only(body, "", ("requests",))
    rows = _rows(call, body.get("requests"))
    now = call.now
    _refuse_too_many(call, len(rows))
    call.model = next((row.prompt.model for row in rows if row.prompt is not None), None)
    batch = Batch(
        id=fresh_id("msgbatch_"),
        provider="anthropic",
        workspace=call.workspace,
        model=call.model or "",
        created_at=now,
        started_at=now,
        duration_s=simulation.settings.batch_duration_s,
        rows=rows,
    )
    simulation.add_batch(batch, call.api_key)
    call.batch = BatchRecord(batch.id, now, "anthropic", call.workspace, len(rows))
    return JSONResponse(shown(call, batch))


def shown(call: Call, batch: Batch) -> dict[str, Any]:
    """The `message_batch` object. Until all has ended, every count but `processing` is zero."""
    ended = batch.ended_at is not None
    status = "ended" if ended else "canceling" if batch.cancel_at is not None else "in_progress"
    url = f"{call.request.base_url}v1/messages/batches/{batch.id}/results"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {
            "processing": 0 if ended else batch.size,
            # The `missing` fault takes a row out of the counts too. A row that is counted and does not come is a short
            # download.
            "succeeded": batch.outcome_count("succeeded"),
            "errored": batch.outcome_count("errored"),
            "canceled": batch.outcome_count("canceled"),
            "expired": batch.outcome_count("expired"),
        },
        "created_at": timestamp(batch.shown_at(batch.created_at)),
        "ended_at": timestamp(batch.shown_at(batch.ended_at)),
        "expires_at": timestamp(batch.shown_at(batch.expires_at)),
        "archived_at": None,
        "cancel_initiated_at": timestamp(batch.shown_at(batch.cancel_at)),
        "results_url": url if ended else None,
    }


def _found(call: Call) -> Batch:
    batch_id = call.request.path_params["id"]
    batch = call.simulation.batch("anthropic", call.workspace, batch_id)
    if batch is None:
        raise ApiError(404, f"Message Batch {batch_id} not found.")
    call.model = batch.model or None
    return batch


async def list_batches(call: Call) -> Response:
    query = call.query(limit=int, after_id=str, before_id=str)
    limit = query.get("limit", 20)
    if not 1 <= limit <= MOST_LISTED:
        raise bad(f"limit: {limit} is not between 1 and {MOST_LISTED}")
    if "after_id" in query and "before_id" in query:
        raise bad("after_id and before_id cannot be given together")
    batches = call.simulation.batches_of("anthropic", call.workspace)
    places = {batch.id: place for place, batch in enumerate(batches)}
    cursor = query.get("after_id") or query.get("before_id")
    if cursor is not None and cursor not in places:
        raise bad(f"{cursor!r} is no Message Batch of this workspace")
    if "before_id" in query:
        end = places[query["before_id"]]
        start = max(0, end - limit)
        has_more = start > 0
    else:
        start = places[query["after_id"]] + 1 if "after_id" in query else 0
        end = start + limit
        has_more = end < len(batches)
    page = [shown(call, batch) for batch in batches[start:end]]
    ids = [batch["id"] for batch in page]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return JSONResponse({"data": page, "has_more": has_more, **ends})


async def retrieve_batch(call: Call) -> Response:
    batch = _found(call)
    answer = shown(call, batch)
    if batch.ended_at is not None:
        late = call.simulation.faults.draw(("file_late",), "anthropic", call.endpoint, call.endpoint)
        if late is not None:
            answer["results_url"] = None
        elif call.simulation.faults.draw(("elsewhere",), "anthropic", call.endpoint, call.endpoint) is not None:
            answer["results_url"] = f"https://api.anthropic.invalid/v1/messages/batches/{batch.id}/results"
        answer = short_results.counts(call, answer, answered="succeeded")
    return JSONResponse(answer)


async def cancel_batch(call: Call) -> Response:
    batch = _found(call)
    if batch.ended_at is not None:
        raise bad(f"Batch {batch.id} cannot be canceled: processing has already ended.")
    if batch.cancel_at is None:
        batch.cancel_at = call.now
    return JSONResponse(shown(call, batch))


async def delete_batch(call: Call) -> Response:
    batch = _found(call)
    if batch.ended_at is None:
        raise bad(f"Batch {batch.id} cannot be deleted: it is still processing. Cancel it first.")
    del call.simulation.batches[batch.id]
    return JSONResponse({"id": batch.id, "type": "message_batch_deleted"})


def _result(outcome: Outcome) -> dict[str, Any]:
    if outcome.completion is not None:
        shown_message = message(fresh_id("msg_"), outcome.model, outcome.completion, "batch")
        return {"type": "succeeded", "message": shown_message}
    if outcome.error is not None:
        return {"type": "errored", "error": outcome.error.anthropic_body(None)}
    return {"type": outcome.kind}


def results(batch: Batch, seed: int) -> bytes:
    """The results as JSON lines, in an order that the seed shuffles."""
    lines: list[str] = []
    for outcome in batch.outcomes:
        # A kind of ending that this provider does not have has no row.
        if outcome.kind in ("missing", "status_zero"):
            continue
        row = {"custom_id": outcome.custom_id, "result": _result(outcome)}
        lines.append(json.dumps(row, ensure_ascii=False))
    random.Random(f"{seed}:{len(lines)}").shuffle(lines)
    return "".join(line + "\n" for line in lines).encode()


async def batch_results(call: Call) -> Response:
    batch = _found(call)
    if batch.ended_at is None:
        raise bad(f"Batch {batch.id} has no available results: it is still processing.")
    if "results" not in batch.details:
        batch.details["results"] = results(batch, call.simulation.settings.seed)
    return Response(short_results.download(call, batch.details["results"]), media_type="application/x-jsonl")


def _model(model_id: str) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}
    return {
        "id": model_id,
        "type": "model",
        "display_name": model_id.replace("-", " ").title(),
        "created_at": "2026-10-14T00:00:00Z",
        "lifecycle": "active",
        "line": model_id.split("-")[1],
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": 1_000_000,
        "max_tokens": 64_000,
        "capabilities": {
            "batch": yes,
            "citations": no,
            "code_execution": no,
            "context_management": no,
            "effort": {"supported": True, "low": yes, "medium": yes, "high": yes, "max": yes, "xhigh": yes},
            "image_input": no,
            "pdf_input": no,
            "server_tools": {"supported": False, "code_execution": no, "web_search": no},
            "structured_outputs": yes,
            "thinking": {"supported": False, "types": {"adaptive": no, "enabled": no}},
        },
    }


async def retrieve_model(call: Call) -> Response:
    model_id = call.request.path_params["id"]
    if not call.simulation.models.knows("anthropic", model_id):
        raise ApiError(404, f"model: {model_id}")
    return JSONResponse(_model(model_id))


async def list_models(call: Call) -> Response:
    names = call.simulation.models.listed("anthropic")
    page = [_model(name) for name in names]
    return JSONResponse({"data": page, "has_more": False, "first_id": names[0], "last_id": names[-1]})
