"""The JSON that the model writes: an answer of the asked-for schema, or one of the known ways to miss it."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from simulator.judge import Verdict
from simulator.schemas import SchemaNode, resolve

INVALID_VARIANTS = (
    "winner_unknown",
    "winner_case",
    "confidence_zero",
    "confidence_nine",
    "justification_long",
    "key_missing",
    "not_json",
    "keys_upper",
    "keys_extra",
    "keys_reversed",
    "keys_twice",
)
"""What an unusable answer can look like. `winner_case` and `justification_long` are seen with real models even
under a strict schema; a worker may repair them or ask again. The last four concern the keys of bundles only."""

KEPT_BY_VARIANT = frozenset({"keys_upper", "keys_extra", "keys_reversed"})
"""Variants that leave every verdict of a bundle usable."""


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


@dataclass(frozen=True, slots=True)
class Written:
    """An answer's text, and where the verdict under each key ends in it."""

    text: str
    ends: dict[str, int]


def verdict_keys(schema: SchemaNode | None) -> tuple[str, ...]:
    """The keys of a bundle: those properties of a schema that are verdicts. () for the schema of a single verdict."""
    if schema is None or "winner" in schema.get("properties", {}):
        return ()
    children = schema.get("properties", {}).items()
    return tuple(key for key, child in children if "winner" in resolve(child, schema).get("properties", {}))


def reasons_first(schema: SchemaNode | None) -> bool:
    """Whether a verdict of this schema is written after its justification."""
    if schema is None:
        return False
    keys = verdict_keys(schema)
    verdict = resolve(schema["properties"][keys[0]], schema) if keys else schema
    order = [name for name in verdict.get("properties", {}) if name in ("winner", "justification")]
    return order == ["justification", "winner"]


def _value(schema: SchemaNode, verdict_of: Callable[[str], Verdict]) -> dict[str, Any]:
    keys = verdict_keys(schema)
    if not keys and "winner" in schema.get("properties", {}):
        return _verdict_object(schema, schema, verdict_of(""))
    answer: dict[str, Any] = {}
    for key, child in schema.get("properties", {}).items():
        child = resolve(child, schema)
        answer[key] = _verdict_object(child, schema, verdict_of(key)) if key in keys else _filler(child, schema)
    return answer


def _spoil(verdict: dict[str, Any], variant: str) -> None:
    match variant:
        case "winner_case":
            verdict["winner"] = str(verdict.get("winner", "Essay A")).lower()
        case "confidence_zero":
            verdict["confidence"] = 0
        case "confidence_nine":
            verdict["confidence"] = 9
        case "justification_long":
            verdict["justification"] = "The stronger essay keeps its thread from start to end. " * 12
        case "winner_unknown":
            verdict["winner"] = "Essay C"


def _spoil_keys(answer: dict[str, Any], variant: str, spoiled: Collection[str]) -> list[tuple[str, Any]]:
    """The answer's items, its keys changed in the named way."""
    items = list(answer.items())
    match variant:
        case "keys_upper":
            return [(key.upper(), value) for key, value in items]
        case "keys_extra":
            return [*items, ("c99", items[0][1])]
        case "keys_reversed":
            return items[::-1]
        case "keys_twice":
            return [*items, *((key, value) for key, value in items if key in spoiled)]
        case _:
            return items


def write_answer(
    schema: SchemaNode | None, verdict_of: Callable[[str], Verdict], variant: str | None, spoiled: Collection[str]
) -> Written:
    """The text of an answer.

    A schema with a `winner` gets the verdict of ""; one whose properties are such objects (a bundle) the verdict of each
    key. Without a schema the answer is that of a verdict. `variant` spoils the verdicts under the keys in `spoiled`.
    """
    if variant == "not_json":
        first = next(iter(spoiled), "")
        return Written(f"I think Essay {verdict_of(first).winner} is better, though both have their merits.", {})
    if schema is None:
        verdict = verdict_of("")
        answer: dict[str, Any] = {
            "winner": f"Essay {verdict.winner}",
            "justification": verdict.justification,
            "confidence": verdict.confidence,
        }
    else:
        answer = _value(schema, verdict_of)
    keys = verdict_keys(schema)
    if variant is None:
        return _dumped(list(answer.items()))
    if variant == "key_missing":
        for key in [key for key in answer if key in spoiled] if keys else [*answer][-1:]:
            del answer[key]
    for key in spoiled:
        _spoil(answer.get(key, {}) if keys else answer, variant)
    return _dumped(_spoil_keys(answer, variant, spoiled) if keys else list(answer.items()))


def _dumped(items: list[tuple[str, Any]]) -> Written:
    text, ends = "{", dict[str, int]()
    for place, (key, value) in enumerate(items):
        text += f"{', ' if place else ''}{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        ends[key] = len(text)
    return Written(text + "}", ends)
