"""The JSON that the model writes: an answer of the asked-for schema, or one of the known ways to miss it."""

import json
from collections.abc import Iterator
from typing import Any

from simulator.judge import Verdict
from simulator.schemas import SchemaNode, resolve

VERDICT_KEYS = ("winner", "justification", "confidence")

INVALID_VARIANTS = (
    "winner_unknown",
    "winner_case",
    "confidence_zero",
    "confidence_nine",
    "justification_long",
    "key_missing",
    "not_json",
)
"""What an unusable answer can look like. `winner_case` and `justification_long` are seen with real models even
under a strict schema; a worker may repair them or ask again."""


def _winner(node: SchemaNode, verdict: Verdict) -> object:
    names = node.get("enum") or ["Essay A", "Essay B"]
    wanted = f"Essay {verdict.winner}"
    return wanted if wanted in names else names[0 if verdict.winner == "A" else -1]


def _filler(node: SchemaNode, root: SchemaNode) -> Any:
    """The smallest value of a schema that says nothing of verdicts."""
    node = resolve(node, root)
    if "const" in node:
        return node["const"]
    if node.get("enum"):
        return node["enum"][0]
    if node.get("anyOf"):
        return _filler(node["anyOf"][0], root)
    match node.get("type"):
        case "object":
            return {key: _filler(child, root) for key, child in node.get("properties", {}).items()}
        case "array":
            return []
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return ""


def _verdict_object(node: SchemaNode, root: SchemaNode, verdict: Verdict) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for key, child in node.get("properties", {}).items():
        child = resolve(child, root)
        if key == "winner":
            answer[key] = _winner(child, verdict)
        elif key == "justification":
            answer[key] = verdict.justification
        elif key == "confidence":
            answer[key] = verdict.confidence
        else:
            answer[key] = _filler(child, root)
    return answer


def _value(schema: SchemaNode, verdicts: Iterator[Verdict]) -> dict[str, Any]:
    root = schema
    properties = {key: resolve(child, root) for key, child in schema.get("properties", {}).items()}
    if "winner" in properties:
        return _verdict_object(schema, root, next(verdicts))
    answer: dict[str, Any] = {}
    for key, child in properties.items():
        if "winner" in child.get("properties", {}):
            answer[key] = _verdict_object(child, root, next(verdicts))
        else:
            answer[key] = _filler(child, root)
    return answer


def _spoil(answer: dict[str, Any], variant: str) -> None:
    """Make the first verdict of `answer` unusable in the named way."""
    nested = [value for value in answer.values() if isinstance(value, dict)]
    first = answer if "winner" in answer or not nested else nested[0]
    match variant:
        case "winner_case":
            first["winner"] = str(first.get("winner", "Essay A")).lower()
        case "confidence_zero":
            first["confidence"] = 0
        case "confidence_nine":
            first["confidence"] = 9
        case "justification_long":
            first["justification"] = "The stronger essay keeps its thread from start to end. " * 12
        case "key_missing":
            answer.popitem()
        case _:
            first["winner"] = "Essay C"


def write_answer(schema: SchemaNode | None, verdicts: Iterator[Verdict], invalid_variant: str | None) -> str:
    """The text of an answer.

    A schema with a `winner` gets one verdict; one whose properties are such objects (a bundle) gets the verdicts
    in the order of its keys. `verdicts` must not run out. Without a schema the answer is that of a verdict.
    """
    if invalid_variant == "not_json":
        return f"I think Essay {next(verdicts).winner} is better, though both have their merits."
    if schema is None:
        verdict = next(verdicts)
        answer: dict[str, Any] = {
            "winner": f"Essay {verdict.winner}",
            "justification": verdict.justification,
            "confidence": verdict.confidence,
        }
    else:
        answer = _value(schema, verdicts)
    if invalid_variant is not None and answer:
        _spoil(answer, invalid_variant)
    return json.dumps(answer, ensure_ascii=False)
