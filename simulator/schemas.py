"""Which JSON schemas the providers accept for structured output."""

from typing import Any

ANTHROPIC_UNSUPPORTED = {
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems"),
}
"""Keywords that Anthropic answers with 400 "For 'integer' type, property 'minimum' is not supported"."""

OPENAI_UNSUPPORTED = ("allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
"""Keywords that OpenAI's strict mode does not permit."""

SchemaNode = dict[str, Any]


def resolve(node: SchemaNode, root: SchemaNode) -> SchemaNode:
    """The node that a `#/$defs/…` reference points to, or the node itself."""
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        target = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
        return target if isinstance(target, dict) else {}
    return node


def _children(node: SchemaNode) -> list[object]:
    nested: list[object] = []
    for keyword in ("properties", "$defs"):
        if isinstance(node.get(keyword), dict):
            nested.extend(node[keyword].values())
    for keyword in ("anyOf", "allOf"):
        if isinstance(node.get(keyword), list):
            nested.extend(node[keyword])
    if "items" in node:
        nested.append(node["items"])
    return nested


def anthropic_complaint(node: object) -> str | None:
    """Why Anthropic refuses the schema, or None."""
    if not isinstance(node, dict):
        return "output_config.format.schema: Input should be a valid dictionary"
    kind = node.get("type")
    if kind == "object" and node.get("additionalProperties") is not False:
        return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
    for keyword in ANTHROPIC_UNSUPPORTED.get(kind, ()) if isinstance(kind, str) else ():
        if keyword in node:
            return (
                f"output_config.format.schema: For '{kind}' type, property '{keyword}' is not supported;"
                " state it in the description instead"
            )
    return next(filter(None, map(anthropic_complaint, _children(node))), None)


def openai_complaint(node: object) -> str | None:
    """Why OpenAI refuses the schema under `strict`, or None."""
    if not isinstance(node, dict):
        return "schema must be a JSON Schema of 'type: \"object\"'"
    for keyword in OPENAI_UNSUPPORTED:
        if keyword in node:
            return f"'{keyword}' is not permitted"
    if node.get("type") == "object":
        if node.get("additionalProperties") is not False:
            return "'additionalProperties' is required to be supplied and to be false"
        properties = node.get("properties", {})
        missing = sorted(set(properties) - set(node.get("required", ())))
        if missing:
            return (
                "'required' is required to be supplied and to be an array including every key in properties."
                f" Missing '{missing[0]}'"
            )
    return next(filter(None, map(openai_complaint, _children(node))), None)
