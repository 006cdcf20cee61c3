"""Reading loosely typed JSON: a field of another type counts as absent, so that one odd row never raises."""

from typing import Any

from domain.answer import writable
from providers.http.failures import UnreadableBody


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """The value, fit to be written, if it is a string, else ""."""
    return writable(value) if isinstance(value, str) else ""


def count(value: object) -> int:
    """The value if it is a whole number of at least 0, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def items(value: object) -> list[Any]:
    """The value if it is an array, otherwise an empty one."""
    return value if isinstance(value, list) else []


def required_text(value: dict[str, Any], key: str) -> str:
    """A field without which the whole answer is useless. Raises UnreadableBody."""
    found = text(value.get(key))
    if not found:
        raise UnreadableBody(f"{key} is missing or no string")
    return found
