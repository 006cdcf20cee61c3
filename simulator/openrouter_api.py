"""OpenRouter's API: chat completions that are passed on to one named provider, and what the key may still spend."""

import math
import re
from typing import Any

from starlette.responses import JSONResponse, Response

from simulator.calls import Call
from simulator.errors import ApiError, openrouter_error
from simulator.faults import Fault
from simulator.ledger import PaidItem
from simulator.models import Models
from simulator.openai_api import chat_completion
from simulator.openai_requests import bad, only, read_body
from simulator.prices import estimated_tokens
from simulator.prompts import Prompt
from simulator.simulation import fresh_id

ROUTING = {"allow_fallbacks": False, "require_parameters": True, "data_collection": "deny", "zdr": True}
"""What every request must say of its routing, besides `only`: this server answers nobody who would let others answer."""

OFFERED_BY = {
    "anthropic": ("anthropic", "amazon-bedrock", "google-vertex"),
    "openai": ("openai", "azure"),
    "google": ("google-ai-studio", "google-vertex"),
}
"""The slugs of the providers that offer an author's models. Any other author runs a provider of the same name."""

LISTED = frozenset(
    {"model", "messages", "max_tokens", "response_format", "temperature", "reasoning_effort", "verbosity", "provider"}
)
"""The parameters that an endpoint lists; `max_completion_tokens` is not among them."""

ANY_MODEL = re.compile(r"openrouter/.*|~.*|@.*|.*-latest|.*:.*|[^/]*")
NO_PARAMETERS = "No endpoints found that can handle the requested parameters."
RELEASE = "20261001"
"""Answers name their model with this day behind it, as OpenRouter does with some."""

_WITHOUT_TEMPERATURE = re.compile(r"anthropic/claude-\w+-5\.[5-9]")


def _check_routing(body: dict[str, Any], author: str) -> None:
    routing = only(body.get("provider"), "provider", ("only", *ROUTING))
    for name, value in ROUTING.items():
        if routing.get(name) != value:
            raise bad(f"This server wants provider.{name} to be {value!r}.", f"provider.{name}")
    slugs = routing.get("only")
    if not isinstance(slugs, list) or len(slugs) != 1:
        raise bad("This server wants provider.only to name one provider.", "provider.only")
    if slugs[0] not in OFFERED_BY.get(author, (author,)):
        raise ApiError(404, "No allowed providers are available for the selected model.")


def _read(body: Any, models: Models) -> Prompt:
    """The prompt in `body`; raises ApiError 400 for a bad request, 404 where no endpoint fits it."""
    model = body.get("model") if isinstance(body, dict) else None
    if not isinstance(model, str) or ANY_MODEL.fullmatch(model):
        raise bad(f"{model!r} is not one model of one author.", "model")
    author, _, name = model.partition("/")
    _check_routing(body, author)
    if set(body) - LISTED or ("temperature" in body and _WITHOUT_TEMPERATURE.match(model)):
        raise ApiError(404, NO_PARAMETERS)
    if author == "openai":
        try:
            models.check_openai(name, body)
        except ApiError as refused:
            raise ApiError(404, NO_PARAMETERS) from refused
    return read_body({key: value for key, value in body.items() if key != "provider"}, models, provider="openrouter")


async def create_completion(call: Call) -> Response:
    simulation = call.simulation
    prompt = _read(await call.json(simulation.settings.call_max_bytes), simulation.models)
    call.model = prompt.model
    wait_s = simulation.limits.of("openrouter", call.workspace, prompt.model).admit(
        max(prompt.max_tokens or 0, estimated_tokens(prompt.utf8_bytes)), call.now
    )
    if wait_s > 0:
        raise ApiError(429, f"Rate limit exceeded for {prompt.model}.", retry_after_s=math.ceil(wait_s))
    fault = simulation.faults.draw(("error_in_200",), call.provider, call.endpoint, call.endpoint, call.api_key)
    if fault is not None and fault.variant == "top":
        return JSONResponse(_error(fault))
    generation = fresh_id("gen-")
    completion, paid = simulation.answer_call(prompt, call.endpoint, call.workspace, generation)
    call.items += paid
    shown = chat_completion(generation, _dated(completion.model), completion, call.now)
    shown["provider"] = prompt.model.partition("/")[0].capitalize()
    shown["usage"] |= _costs(paid)
    if fault is not None:
        _break_off(shown, fault)
    return JSONResponse(shown)


def _dated(model: str) -> str:
    """The name by which an answer calls its model."""
    return f"{model}-{RELEASE}"


def _costs(paid: list[PaidItem]) -> dict[str, Any]:
    usd = math.fsum(item.cost_usd for item in paid)
    return {"cost": usd, "is_byok": False, "cost_details": {"upstream_inference_cost": usd}}


def _error(fault: Fault) -> dict[str, Any]:
    return openrouter_error(fault.status, fault.message or "Provider returned error", fault.error_type)


def _break_off(shown: dict[str, Any], fault: Fault) -> None:
    """Let half of the text be all that came; its use is charged, for a fault may be of any kind."""
    choice = shown["choices"][0]
    content = choice["message"]["content"] or ""
    choice["message"]["content"] = content[: len(content) // 2]
    choice["finish_reason"] = "error"
    if fault.variant == "choice":
        choice |= _error(fault)
        choice["finish_reason"] = None


async def show_key(call: Call) -> Response:
    """What `GET /key` tells: a key without a limit of its own."""
    used = math.fsum(
        float(str(item["cost_usd"])) for item in call.simulation.ledger.rows("items") if item["provider"] == "openrouter"
    )
    return JSONResponse({"data": {"label": "simulated", "limit": None, "limit_remaining": None, "usage": used}})
