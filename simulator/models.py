"""Which models there are, and which optional parameters they refuse. Any name is a model, unless a setting says otherwise."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import ApiError
from simulator.prices import PRICES

_O_SERIES = re.compile(r"o\d+(?:-|$)")
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?:-|$)")
_WITHOUT_EFFORT = re.compile(r"claude-(?:haiku|sonnet)-4-5")
_WITHOUT_MINIMAL = re.compile(r"gemini-3\.[78]-flash(?!-lite)")
_DEFAULT_VERBOSITY = "medium"
# The GPT versions from the first to the last of these do not reason unless they are told to, and then take a temperature.
_REST_BY_DEFAULT = (5, 1), (5, 4)


@dataclass(frozen=True, slots=True)
class Models:
    """The rules of one simulator: names that it refuses, and what single models refuse besides what their family refuses."""

    unknown: Set[str] = frozenset()
    refused: Mapping[str, Set[str]] = field(default_factory=dict)

    def knows(self, provider: str, model: object) -> bool:
        """Whether a provider has the model; one with a price of its own belongs to one provider only."""
        if not isinstance(model, str) or not model or model in self.unknown:
            return False
        return model not in PRICES or PRICES[model].provider == provider

    def listed(self, provider: str) -> list[str]:
        """The models that `/v1/models` shows: those with a price of their own."""
        return [name for name, price in PRICES.items() if price.provider == provider and self.knows(provider, name)]

    def check_openai(self, model: str, body: Mapping[str, Any]) -> None:
        """Raise ApiError 400 for a parameter that the model does not take."""
        refused, reasons, effort = self.refused.get(model, frozenset()), _reasons(model), body.get("reasoning_effort")
        if effort is not None and (not reasons or "reasoning_effort" in refused):
            message = "Unsupported parameter: 'reasoning_effort' is not supported with this model."
            raise ApiError(400, message, param="reasoning_effort", code="unsupported_parameter")
        temperature = body.get("temperature")
        if temperature not in (None, 1) and ("temperature" in refused or (reasons and not _rests(model, effort))):
            message = f"Unsupported value: 'temperature' does not support {temperature} with this model."
            message += " Only the default (1) value is supported."
            raise ApiError(400, message, param="temperature", code="unsupported_value")
        verbosity = body.get("verbosity")
        if verbosity not in (None, _DEFAULT_VERBOSITY) and (not reasons or "verbosity" in refused):
            message = f"Unsupported value: 'verbosity' does not support '{verbosity}' with this model."
            message += f" Supported values are: '{_DEFAULT_VERBOSITY}'."
            raise ApiError(400, message, param="verbosity", code="unsupported_value")

    def check_anthropic(self, model: str, config: object) -> None:
        """Raise ApiError 400 for an effort that the model does not take."""
        effort = config.get("effort") if isinstance(config, dict) else None
        if effort is not None and (_WITHOUT_EFFORT.match(model) or "effort" in self.refused.get(model, frozenset())):
            raise ApiError(400, "This model does not support the effort parameter.")

    def check_google(self, model: str, config: Mapping[str, Any]) -> None:
        """Raise ApiError 400 for a thinking level, a budget or a temperature that the model does not take.

        `refused` may name a parameter of generationConfig or thinkingConfig, or a level.
        """
        refused, thinking = self.refused.get(model, frozenset()), config.get("thinkingConfig", {})
        level = thinking.get("thinkingLevel")
        if level is not None and (model.startswith("gemini-2.5") or "thinkingLevel" in refused):
            raise ApiError(400, "Thinking level is not supported for this model.")
        if level is not None and (level in refused or (level == "MINIMAL" and _WITHOUT_MINIMAL.match(model))):
            raise ApiError(400, f"Thinking level {level} is not supported for this model.")
        if "thinkingBudget" in thinking and "thinkingBudget" in refused:
            raise ApiError(400, "Thinking budget is not supported for this model.")
        for name in config:
            if name in refused:
                raise ApiError(400, f"{name} is not supported for this model.")


def _version(model: str) -> tuple[int, int]:
    found = _GPT.match(model)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def _reasons(model: str) -> bool:
    return bool(_O_SERIES.match(model)) or (_version(model) >= (5, 0) and model != "gpt-5-chat-latest")


def _rests(model: str, effort: object) -> bool:
    """Whether a model that can reason does not do so for this request."""
    first, last = _REST_BY_DEFAULT
    if _version(model) < first or re.search(r"-(?:pro|codex|chat)\b", model):
        return False
    return effort == "none" or (effort is None and _version(model) <= last)
