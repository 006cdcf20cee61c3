"""The strict JSON schema of one answer, as both providers take it.

Only keywords that both strict modes accept (contract.md §3, providers.md): neither enforces a range or a length, so these
stand in the descriptions, and `domain.answer` checks them on what comes back.
"""

from typing import Any

ANSWER_NAME = "comparison_answer"


def answer_schema() -> dict[str, Any]:
    """The schema of `{"winner", "justification", "confidence"}`; a new value each time, as SDKs may write into theirs."""
    return {
        "type": "object",
        "properties": {
            "winner": {
                "type": "string",
                "enum": ["Essay A", "Essay B"],
                "description": "The essay that fulfils the criteria better.",
            },
            "justification": {
                "type": "string",
                "description": "Why, in one or two sentences, at most 400 characters.",
            },
            "confidence": {
                "type": "number",
                "description": "From 1 (a guess) to 5 (certain).",
            },
        },
        "required": ["winner", "justification", "confidence"],
        "additionalProperties": False,
    }


def anthropic_format() -> dict[str, Any]:
    """The value of `output_config.format` in a message."""
    return {"type": "json_schema", "schema": answer_schema()}


def openai_response_format() -> dict[str, Any]:
    """The value of `response_format` in a chat completion."""
    return {"type": "json_schema", "json_schema": {"name": ANSWER_NAME, "strict": True, "schema": answer_schema()}}
