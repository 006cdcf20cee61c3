"""Which schemas Gemini takes as `responseSchema`, and in which order it then writes the keys."""

from typing import Any

from simulator.errors import ApiError
from simulator.schemas import SchemaNode

KEYWORDS = frozenset(
    {
        "anyOf",
        "default",
        "description",
        "enum",
        "example",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "propertyOrdering",
        "required",
        "title",
        "type",
    }
)
"""The subset of OpenAPI's schema that the API knows: no `additionalProperties`, no `$ref`, no `const`."""

TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")


def read_schema(node: Any, where: str = "generationConfig.responseSchema") -> SchemaNode:
    """The schema as JSON Schema writes it, properties in the order of the answer; raises ApiError 400 for one not taken.

    Without `propertyOrdering` the keys of an answer come alphabetically.
    """
    if not isinstance(node, dict):
        raise ApiError(400, f"Invalid value at '{where}': expected an object.")
    for keyword in node:
        if keyword not in KEYWORDS:
            raise ApiError(400, f"Invalid JSON payload received. Unknown name \"{keyword}\" at '{where}': Cannot find field.")
    kind = node.get("type")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        if kind is not None or "anyOf" not in node:
            raise ApiError(400, f"Invalid value at '{where}.type': {kind!r}.")
        read: SchemaNode = {}
    else:
        read = {"type": kind.lower()}
    if "enum" in node:
        read["enum"] = _enum(node, read.get("type"), where)
    if "items" in node:
        read["items"] = read_schema(node["items"], f"{where}.items")
    if "anyOf" in node:
        read["anyOf"] = [read_schema(each, f"{where}.anyOf[{number}]") for number, each in enumerate(node["anyOf"])]
    if read.get("type") == "object" and "properties" in node:
        read["properties"] = _properties(node, where)
    if "required" in node:
        read["required"] = node["required"]
    return read


def _enum(node: SchemaNode, kind: Any, where: str) -> list[str]:
    values = node["enum"]
    if kind != "string" or not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ApiError(400, f"Invalid value at '{where}.enum': only a schema of type STRING has an enum, of strings.")
    return values


def _properties(node: SchemaNode, where: str) -> dict[str, SchemaNode]:
    properties = node["properties"]
    if not isinstance(properties, dict) or not properties:
        raise ApiError(400, f"{where}.properties: should be non-empty for OBJECT type")
    for keyword in ("required", "propertyOrdering"):
        for name in node.get(keyword, ()):
            if name not in properties:
                raise ApiError(400, f"{where}.{keyword}: property {name!r} is not defined")
    order = [*node.get("propertyOrdering", ())]
    order += [name for name in sorted(properties) if name not in order]
    return {name: read_schema(properties[name], f"{where}.properties[{name}]") for name in order}
