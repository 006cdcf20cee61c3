"""How long a Gemini model is told to think, and the room that its thoughts get beside the answer.

Thoughts count into maxOutputTokens: with the answer's own limit there, a model that thinks ends before its first word. So the
limit that is sent has room for both. Only what is used is paid.
"""

import re
from typing import Any, Final

MOST_OUTPUT_TOKENS: Final = 65_536  # of any model since 2.5

_GEMINI = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?:-|$)")
_LEVELS = {"none": "LOW", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
# In tokens, for 2.5, which knows no levels. All of its models take 512; 0 (no thoughts) is taken by some of them only.
_BUDGETS = {"none": 512, "low": 1_024, "medium": 4_096, "high": 8_192}
# Tokens of thought that one comparison gets room for. A model left to itself thinks as at "medium".
_ROOM = {"none": 1_024, "low": 2_048, "medium": 4_096, "high": 8_192}


def thinks(model: str) -> bool:
    """Whether a model thinks, by its name: Gemini 2.5 and later. Others refuse to be told how long."""
    return _version(model) >= (2, 5)


def thinking_config(model: str, effort: str | None) -> dict[str, Any] | None:
    """The value of `thinkingConfig`; None where there is nothing to say.

    Most models cannot be kept from thinking, so "none" asks for the least that the model takes. MINIMAL is a 400 at 3.7 and
    3.8-flash; the lite models take it.
    """
    if effort is None or not thinks(model):
        return None
    if _version(model) < (3, 0):
        return {"thinkingBudget": _BUDGETS.get(effort, _BUDGETS["medium"])}
    if effort == "none" and "-lite" in model:
        return {"thinkingLevel": "MINIMAL"}
    return {"thinkingLevel": _LEVELS.get(effort, "MEDIUM")}


def most_output_tokens(model: str, effort: str | None, max_tokens: int, answers: int) -> int:
    """The value of `maxOutputTokens`: what the answer may take, and room for the thoughts before it.

    Each further comparison of a bundle gets a quarter of the room of the first.
    """
    if not thinks(model):
        return max_tokens
    room = _ROOM.get(effort or "medium", _ROOM["medium"]) * (answers + 3) // 4
    return max(max_tokens, min(max_tokens + room, MOST_OUTPUT_TOKENS))


def _version(model: str) -> tuple[int, int]:
    found = _GEMINI.match(model.removeprefix("models/"))
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)
