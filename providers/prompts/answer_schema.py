"""The schema of one answer, or of a bundle of them, as each provider takes it.

Only keywords that the strict modes of Anthropic and OpenAI accept. Neither enforces a range or a length
(docs/providers.md#answers), so these stand in the descriptions, and `domain.answer` checks them on what comes back
(docs/contract.md#prompts-and-answers). Google takes a dialect of its own, `google_schema`.

A model writes the members of an answer in the schema's order. `reasons_first` puts the justification before the winner, so that
the verdict is written after its reasons; the worker asks for the winner first. Answers are read by key, in whatever order.
"""

import json
from typing import Any

from domain.answer import bundle_keys

ANSWER_NAME = "comparison_answer"
BUNDLE_NAME = "comparison_answers"


def answer_schema(*, reasons_first: bool = False) -> dict[str, Any]:
    """The schema of `{"winner", "justification", "confidence"}`; a new value each time, as SDKs may write into theirs."""
    winner = {
        "type": "string",
        "enum": ["Essay A", "Essay B"],
        "description": "The essay that fulfils the criteria better.",
    }
    reasons = {
        "type": "string",
        "description": "Why, in one or two sentences, at most 400 characters.",
    }
    said = {"justification": reasons, "winner": winner} if reasons_first else {"winner": winner, "justification": reasons}
    properties = said | {"confidence": {"type": "number", "description": "From 1 (a guess) to 5 (certain)."}}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def bundle_schema(answers: int, *, reasons_first: bool = False) -> dict[str, Any]:
    """The schema of `{"c01": answer, "c02": answer, …}`: an object with fixed keys, all required.

    Not an array: its length is not enforced by Anthropic or OpenAI. The answer is described once and referred to, which both
    take in their strict modes: 64 copies of it would be 25 KB in every call.
    """
    keys = bundle_keys(answers)
    return {
        "type": "object",
        "properties": {key: {"$ref": "#/$defs/answer"} for key in keys},
        "required": list(keys),
        "additionalProperties": False,
        "$defs": {"answer": answer_schema(reasons_first=reasons_first)},
    }


def schema_of(answers: int, *, reasons_first: bool = False) -> dict[str, Any]:
    """The schema that an ask with so many answers is sent with."""
    if answers == 1:
        return answer_schema(reasons_first=reasons_first)
    return bundle_schema(answers, reasons_first=reasons_first)


def anthropic_format(answers: int = 1, *, reasons_first: bool = False) -> dict[str, Any]:
    """The value of `output_config.format` in a message."""
    return {"type": "json_schema", "schema": schema_of(answers, reasons_first=reasons_first)}


def openai_response_format(answers: int = 1, *, reasons_first: bool = False) -> dict[str, Any]:
    """The value of `response_format` in a chat completion."""
    name = ANSWER_NAME if answers == 1 else BUNDLE_NAME
    schema = schema_of(answers, reasons_first=reasons_first)
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


def google_schema(answers: int = 1, *, reasons_first: bool = False) -> dict[str, Any]:
    """The value of `generationConfig.responseSchema` in a request to Gemini.

    It knows no references, so each answer of a bundle is written out; all but the first without descriptions. Without
    propertyOrdering the members came in the order of the alphabet: the confidence before the reasons for it.
    """
    if answers == 1:
        return _google_object(_google_answer(described=True, reasons_first=reasons_first))
    keys = bundle_keys(answers)
    each = {key: _google_answer(described=key == keys[0], reasons_first=reasons_first) for key in keys}
    return _google_object({key: _google_object(answer) for key, answer in each.items()})


def _google_object(properties: dict[str, Any]) -> dict[str, Any]:
    names = list(properties)
    return {"type": "OBJECT", "properties": properties, "required": names, "propertyOrdering": names}


def _google_answer(*, described: bool, reasons_first: bool) -> dict[str, Any]:
    made = {}
    for name, given in answer_schema(reasons_first=reasons_first)["properties"].items():
        made[name] = {**given, "type": given["type"].upper()}
        if not described:
            del made[name]["description"]
    made["confidence"] |= {"minimum": 1, "maximum": 5}
    return made


def in_words(answers: int = 1, *, reasons_first: bool = False) -> str:
    """What a prompt says of the answer's form, for a server that takes no schema."""
    schema = json.dumps(schema_of(answers, reasons_first=reasons_first), separators=(",", ":"))
    return f"\n\nAnswer with one JSON object and nothing around it. It must fit this JSON schema: {schema}"
