"""Reads the body of an OpenAI chat completion, as strictly as the API does."""

import re
from typing import Any

from simulator.errors import ApiError
from simulator.models import Models
from simulator.prompts import Prompt
from simulator.schemas import openai_complaint

PARAMS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""The fields of `CompletionCreateParams` in the SDK, 3.54.0."""

UNSUPPORTED_HERE = ("audio", "functions", "function_call", "tools", "tool_choice", "web_search_options", "prediction")
"""Fields of the API that the simulator does not support."""

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
VERBOSITIES = ("low", "medium", "high")
ANY_MODEL = Models()
SCHEMA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def bad(message: str, param: str | None, code: str | None = None) -> ApiError:
    return ApiError(400, message, param=param, code=code)


def only(value: Any, where: str, allowed: frozenset[str] | tuple[str, ...]) -> dict[str, Any]:
    """`value` if it is an object without other fields than `allowed`; otherwise raises ApiError 400."""
    if not isinstance(value, dict):
        raise bad(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    for key in value:
        if key not in allowed:
            name = f"{where}.{key}" if where else key
            raise bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    return value


def _content(content: Any, where: str) -> list[str]:
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list) or not content:
        raise bad(f"Invalid type for '{where}': expected a string or an array of parts.", where, "invalid_type")
    texts: list[str] = []
    for number, part in enumerate(content):
        at = f"{where}[{number}]"
        only(part, at, ("type", "text"))
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise bad(f"Invalid value for '{at}': this server reads parts of type 'text' only.", at, "invalid_value")
        texts.append(part["text"])
    return texts


def _messages(messages: Any) -> tuple[list[str], list[str]]:
    """The texts of the system (or developer) messages, and of the others."""
    if not isinstance(messages, list) or not messages:
        raise bad("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages", "empty_array")
    system: list[str] = []
    user: list[str] = []
    for number, message in enumerate(messages):
        at = f"messages[{number}]"
        only(message, at, ("role", "content", "name"))
        role = message.get("role")
        if role not in ("system", "developer", "user", "assistant"):
            raise bad(f"Invalid value: '{role}'.", f"{at}.role", "invalid_value")
        (system if role in ("system", "developer") else user).extend(_content(message.get("content"), f"{at}.content"))
    return system, user


def _schema(wanted: Any) -> dict[str, Any] | None:
    if wanted is None:
        return None
    only(wanted, "response_format", ("type", "json_schema"))
    if wanted.get("type") in ("text", "json_object"):
        return None
    if wanted.get("type") != "json_schema":
        raise bad(f"Invalid value: '{wanted.get('type')}'.", "response_format.type", "invalid_value")
    where = "response_format.json_schema"
    described = only(wanted.get("json_schema"), where, ("name", "description", "schema", "strict"))
    name, schema = described.get("name"), described.get("schema")
    if not isinstance(name, str) or not SCHEMA_NAME.fullmatch(name):
        raise bad(f"Missing or invalid required parameter: '{where}.name'.", f"{where}.name", "missing_required_parameter")
    if not isinstance(schema, dict):
        raise bad(f"Missing required parameter: '{where}.schema'.", f"{where}.schema", "missing_required_parameter")
    complaint = openai_complaint(schema) if described.get("strict") else None
    if complaint is not None:
        message = f"Invalid schema for response_format '{name}': In context=(), {complaint}."
        raise bad(message, "response_format", "invalid_json_schema")
    return schema


def _max_tokens(body: dict[str, Any]) -> int | None:
    given = [name for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    if len(given) == 2:
        raise bad("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", given[0])
    if not given:
        return None
    value = body[given[0]]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise bad(f"Invalid '{given[0]}': integer below minimum value. Expected a value >= 1.", given[0])
    return value


def read_body(body: Any, models: Models = ANY_MODEL, provider: str = "openai") -> Prompt:
    """The prompt in `body`; raises ApiError 400 for a bad request, 404 for an unknown model."""
    only(body, "", PARAMS)
    for name in ("model", "messages"):
        if name not in body:
            raise bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    for name in UNSUPPORTED_HERE:
        if name in body:
            raise bad(f"This server does not support '{name}'.", name, "unsupported_parameter")
    if body.get("stream") or body.get("n") not in (None, 1):
        raise bad("This server neither streams nor gives several choices.", "stream", "unsupported_value")
    model = body["model"]
    if not models.knows(provider, model):
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise ApiError(404, message, type="invalid_request_error", code="model_not_found")
    for name, allowed in (("reasoning_effort", EFFORTS), ("verbosity", VERBOSITIES)):
        if body.get(name) not in (None, *allowed):
            raise bad(f"Invalid value: '{body[name]}'. Supported values are: {allowed}.", name, "invalid_value")
    temperature = body.get("temperature")
    if temperature is not None and not (isinstance(temperature, int | float) and 0 <= temperature <= 2):
        raise bad(f"Invalid 'temperature': {temperature!r}. Expected a decimal from 0 to 2.", "temperature")
    if provider == "openai":
        models.check_openai(model, body)
    system, user = _messages(body["messages"])
    return Prompt(
        provider=provider,
        model=model,
        text="\n\n".join(user),
        system="\n\n".join(system),
        schema=_schema(body.get("response_format")),
        max_tokens=_max_tokens(body),
    )
