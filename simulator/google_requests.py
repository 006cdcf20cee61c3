"""Reads the body of Gemini's generateContent, as strictly as the API does."""

from collections.abc import Collection
from typing import Any

from simulator.errors import ApiError
from simulator.google_schemas import read_schema
from simulator.models import Models
from simulator.prompts import Prompt
from simulator.settings import SimulatorSettings

FIELDS = (
    "cachedContent",
    "contents",
    "generationConfig",
    "model",
    "safetySettings",
    "serviceTier",
    "systemInstruction",
    "toolConfig",
    "tools",
)
UNSUPPORTED_HERE = ("cachedContent", "tools", "toolConfig")
"""Fields of the API that the simulator does not support."""

CONFIG = frozenset(
    {
        "candidateCount",
        "frequencyPenalty",
        "logprobs",
        "maxOutputTokens",
        "mediaResolution",
        "presencePenalty",
        "responseJsonSchema",
        "responseLogprobs",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "seed",
        "stopSequences",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
    }
)
LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
USUAL = SimulatorSettings()
ANY_MODEL = Models()


def bad(message: str) -> ApiError:
    return ApiError(400, message)


def only(value: Any, where: str, allowed: Collection[str]) -> dict[str, Any]:
    """`value` if it is an object without other fields than `allowed`; otherwise raises ApiError 400."""
    if not isinstance(value, dict):
        raise bad(f"Invalid value at '{where or 'body'}': expected an object.")
    for key in value:
        if key not in allowed:
            raise bad(f"Invalid JSON payload received. Unknown name \"{key}\" at '{where}': Cannot find field.")
    return value


def without_unknown(body: Any) -> Any:
    """The request as an API reads it that ignores the fields which REST does not have."""
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name in FIELDS}


def whole(value: Any, least: int, where: str) -> int:
    """`value` if it is an integer of at least `least`; otherwise raises ApiError 400."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise bad(f"Invalid value at '{where}': {value!r}. Expected an integer, {least} or more.")
    return value


def _texts(content: Any, where: str) -> list[str]:
    parts = content.get("parts")
    if not isinstance(parts, list) or not parts:
        raise bad(f"{where}.parts: must not be empty.")
    texts: list[str] = []
    for number, part in enumerate(parts):
        text = only(part, f"{where}.parts[{number}]", ("text",)).get("text")
        if not isinstance(text, str) or not text:
            raise bad(f"{where}.parts[{number}]: this server reads parts with a 'text' only, and it must not be empty.")
        texts.append(text)
    return texts


def _contents(contents: Any) -> list[str]:
    if not isinstance(contents, list) or not contents:
        raise bad("GenerateContentRequest.contents: contents is not specified")
    texts: list[str] = []
    for number, content in enumerate(contents):
        where = f"contents[{number}]"
        only(content, where, ("role", "parts"))
        if content.get("role", "user") not in ("user", "model"):
            raise bad("Please use a valid role: user, model.")
        texts += _texts(content, where)
    return texts


def _schema(config: dict[str, Any]) -> dict[str, Any] | None:
    given = [name for name in ("responseSchema", "responseJsonSchema") if config.get(name) is not None]
    if not given:
        return None
    if len(given) == 2:
        raise bad("Only one of responseSchema and responseJsonSchema may be set.")
    if config.get("responseMimeType") != "application/json":
        raise bad(
            "Function calling or a response schema with a response mime type other than 'application/json' is unsupported"
        )
    if given == ["responseSchema"]:
        return read_schema(config["responseSchema"])
    schema = config["responseJsonSchema"]
    if not isinstance(schema, dict):
        raise bad("Invalid value at 'generationConfig.responseJsonSchema': expected an object.")
    return schema


def _thoughts(model: str, config: dict[str, Any], models: Models, tokens: dict[str, int]) -> int:
    """How many tokens the model will think. Lite models do not think unless they are told to."""
    fields = ("includeThoughts", "thinkingBudget", "thinkingLevel")
    thinking = only(config.get("thinkingConfig", {}), "generationConfig.thinkingConfig", fields)
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if level is not None and budget is not None:
        raise bad("You can only set one of thinking budget and thinking level.")
    if level not in (None, *LEVELS):
        raise bad(f"Invalid value at 'generationConfig.thinkingConfig.thinkingLevel': {level!r}.")
    models.check_google(model, config)
    usual = tokens["MINIMAL" if "-lite" in model else "MEDIUM"]
    if level is not None:
        return tokens[level]
    if budget is None or budget == -1:
        return usual
    return min(whole(budget, 0, "generationConfig.thinkingConfig.thinkingBudget"), tokens["MEDIUM"])


def read_request(body: Any, model: str, models: Models = ANY_MODEL, settings: SimulatorSettings = USUAL) -> Prompt:
    """The prompt in `body`; raises ApiError 400 for a bad request, 404 for an unknown model."""
    if not models.knows("google", model):
        raise ApiError(404, f"models/{model} is not found for API version v1beta, or is not supported for generateContent.")
    only(body, "", FIELDS)
    for name in UNSUPPORTED_HERE:
        if name in body:
            raise bad(f"{name}: this server does not support it")
    if body.get("model", f"models/{model}") != f"models/{model}":
        raise bad(f"model: {body['model']!r} is not the model of the path, models/{model}")
    config = only(body.get("generationConfig", {}), "generationConfig", CONFIG)
    if config.get("candidateCount", 1) != 1:
        raise bad("Multiple candidates is not enabled for this model")
    temperature = config.get("temperature")
    if temperature is not None and not (isinstance(temperature, int | float) and 0 <= temperature <= 2):
        raise bad(f"Invalid value at 'generationConfig.temperature': {temperature!r}. Expected a number from 0 to 2.")
    most = config.get("maxOutputTokens")
    system: list[str] = []
    if "systemInstruction" in body:
        system = _texts(only(body["systemInstruction"], "systemInstruction", ("role", "parts")), "systemInstruction")
    return Prompt(
        provider="google",
        model=model,
        text="\n\n".join(_contents(body.get("contents"))),
        system="\n\n".join(system),
        schema=_schema(config),
        max_tokens=None if most is None else whole(most, 1, "generationConfig.maxOutputTokens"),
        thoughts=_thoughts(model, config, models, settings.google_thoughts),
    )
