"""The Gemini API without its batches and files: generateContent, models."""

import math
from typing import Any

from starlette.responses import JSONResponse, Response

from simulator.calls import Call
from simulator.errors import ApiError
from simulator.google_answers import response
from simulator.google_details import quota
from simulator.google_requests import bad, read_request
from simulator.prices import estimated_tokens
from simulator.simulation import fresh_id

REQUESTS = "GenerateRequestsPerMinutePerProjectPerModel"
TOKENS = "GenerateContentInputTokensPerModelPerMinute"


async def generate_content(call: Call) -> Response:
    simulation, model = call.simulation, call.request.path_params["model"]
    prompt = read_request(await call.json(simulation.settings.call_max_bytes), model, simulation.models, simulation.settings)
    call.model = model
    limiter = simulation.limits.of("google", call.workspace, model)
    tokens = estimated_tokens(prompt.utf8_bytes)
    quota_id = REQUESTS if limiter.requests.wait_s(1, call.now) > 0 else TOKENS
    wait_s = limiter.admit(tokens, call.now)
    if wait_s > 0:
        details = quota(quota_id, wait_s)
        raise ApiError(429, f"You exceeded your current quota. Please retry in {math.ceil(wait_s)}s.", details=details)
    response_id = fresh_id("")
    completion, paid = simulation.answer_call(prompt, call.endpoint, call.workspace, response_id)
    call.items += paid
    return JSONResponse(response(response_id, completion))


def paged(call: Call, name: str, things: list[dict[str, Any]], size: int, token: str | None) -> dict[str, Any]:
    """A page of a list: the things after the one called `token`. A list of nothing is an empty object."""
    names = [thing["name"] for thing in things]
    if token is not None and token not in names:
        raise bad(f"Invalid page token: {token!r}")
    start = 0 if token is None else names.index(token) + 1
    page = things[start : start + min(size, call.simulation.settings.google_most_listed)]
    shown: dict[str, Any] = {name: page} if page else {}
    if page and start + len(page) < len(things):
        shown["nextPageToken"] = page[-1]["name"]
    return shown


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": name,
        "displayName": name.replace("-", " ").title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "batchGenerateContent"],
        "thinking": True,
    }


async def retrieve_model(call: Call) -> Response:
    name = call.request.path_params["id"]
    if not call.simulation.models.knows("google", name):
        raise ApiError(404, f"Model is not found: models/{name} for api version v1beta")
    return JSONResponse(_model(name))


async def list_models(call: Call) -> Response:
    query = call.query(pageSize=int, pageToken=str)
    models = [_model(name) for name in call.simulation.models.listed("google")]
    return JSONResponse(paged(call, "models", models, query.get("pageSize") or 50, query.get("pageToken")))
