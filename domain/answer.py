"""The answer of a model: winner, justification, confidence; and whether a text is one."""

import json
from dataclasses import dataclass

MAX_JUSTIFICATION = 500  # characters; one more and the consumer drops the whole event (contract.md §1)
_WINNERS = {"essay a": "Essay A", "essay b": "Essay B"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict that the result contract accepts: winner "Essay A" or "Essay B", 1.0 ≤ confidence ≤ 5.0."""

    winner: str
    justification: str
    confidence: float


class UnusableAnswer(ValueError):
    """The model's text is no answer; the message says why, without quoting the text."""


def read_answer(text: str) -> Answer:
    """Read one answer from the model's JSON text.

    Raises UnusableAnswer rather than guess: an unknown winner must never become "Essay A" (a silent position bias).
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # a thousand "[" are answer enough to end the process otherwise
        raise UnusableAnswer("the answer is not JSON") from error
    return check_answer(value)


def check_answer(value: object) -> Answer:
    """Check one decoded answer object; providers enforce the schema's shape, but neither ranges nor letter case."""
    if not isinstance(value, dict):
        raise UnusableAnswer("the answer is not a JSON object")
    winner = value.get("winner")
    name = _WINNERS.get(winner.strip().lower()) if isinstance(winner, str) else None
    if name is None:
        raise UnusableAnswer("the winner is neither Essay A nor Essay B")
    justification = value.get("justification")
    if not isinstance(justification, str) or not justification.strip():
        raise UnusableAnswer("the justification is missing or empty")
    confidence = value.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float):
        raise UnusableAnswer("the confidence is not a number")
    if not 1 <= confidence <= 5:  # false for NaN too
        raise UnusableAnswer(f"the confidence is {str(confidence)[:20]}, outside 1 to 5")
    return Answer(name, shorten(writable(justification.strip()), MAX_JUSTIFICATION), float(confidence))


def writable(text: str) -> str:
    """A provider's text with every lone surrogate replaced: JSON may hold one, and no record can be written with it."""
    return text.encode("utf-8", "replace").decode()


def shorten(text: str, limit: int) -> str:
    """Cut a text to at most `limit` characters at a word boundary, with an ellipsis; a first word over half of it is cut."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    space = head.rfind(" ")
    return (head[:space] if space > limit // 2 else head).rstrip() + "…"
