"""The answer of a model: winner, justification, confidence. Reads one, or those of a bundle, from the model's text."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

MAX_JUSTIFICATION = 500  # characters; one more and the consumer drops the whole event (docs/contract.md#results)
MOST_IN_BUNDLE = 64  # comparisons that one call may answer: `preferred_bundle_size` ends there (docs/contract.md#requests)
# What not every store and reader can take: half a surrogate pair cannot be encoded as UTF-8; PostgreSQL, behind the consumer,
# stores no NUL; XML allows no other control character of C0; a terminal that prints a result may obey one of C0, C1, or DEL.
# Tab and the line ends (LF, CR, NEL) stay: every store takes them.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
ESSAY_A = "Essay A"
_WINNERS = {"essay a": ESSAY_A, "essay b": "Essay B"}


class Answer(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
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
    except (ValueError, RecursionError) as error:  # RecursionError: an answer of a thousand "["
        raise UnusableAnswer("the answer is not JSON") from error
    return check_answer(value)


def check_answer(value: object) -> Answer:
    """Check one decoded answer object. Providers enforce the schema's shape, but neither ranges nor letter case."""
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


def bundle_keys(size: int) -> tuple[str, ...]:
    """The keys under which a bundle of `size` comparisons is asked and answered, in slot order: c01, c02 … c64.

    Raises ValueError outside 1 to 64.
    """
    if not 1 <= size <= MOST_IN_BUNDLE:
        raise ValueError(f"a bundle of {size} comparisons: 1 to {MOST_IN_BUNDLE} are allowed; cut it into smaller ones")
    return tuple(f"c{number:02}" for number in range(1, size + 1))


@dataclass(frozen=True, slots=True)
class BundleText:
    """What could be read of a bundle's text: for each key that came, its answer, or why it is not usable.

    `whole` is False where the text ends, or stops being JSON, before its last brace.
    """

    found: dict[str, Answer | UnusableAnswer]
    whole: bool


class _Twice:
    """Stands for an object with a name that occurs twice: to choose one of its two values would be a guess."""


def _object_once(pairs: list[tuple[str, object]]) -> object:
    value = dict(pairs)
    return value if len(value) == len(pairs) else _Twice()


_ITEMS = json.JSONDecoder(object_pairs_hook=_object_once)
_SPACE = " \t\n\r"


def read_bundle(text: str, keys: Sequence[str]) -> BundleText:
    """Read the answers under `keys` from a JSON object that may be cut off anywhere.

    An item is taken only when its own closing brace is there: in one that was being written when the text was cut, a number may
    be cut too. Other keys are ignored, another letter case is accepted, and a key that occurs twice, in whatever case, has no
    answer. Where text follows the object nothing is taken: it may be a second answer that contradicts the first.
    """
    came: dict[str, list[object]] = {}
    at, whole = _skip(text, 0), False
    try:
        if text[at : at + 1] != "{":
            return BundleText({}, whole=False)
        at = _skip(text, at + 1)
        while text[at : at + 1] != "}":
            if came:
                at = _expect(text, at, ",")
            key, at = _ITEMS.raw_decode(text, at)
            if not isinstance(key, str):
                break
            value, at = _ITEMS.raw_decode(text, _expect(text, at, ":"))
            came.setdefault(key.strip().lower(), []).append(value)
            at = _skip(text, at)
        else:
            whole = True
    except (ValueError, RecursionError):  # cut or broken here: what came before is kept
        whole = False
    if whole and text[at + 1 :].strip(_SPACE):
        return BundleText({}, whole=False)
    return BundleText({key: _checked(came[key]) for key in keys if key in came}, whole)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _expect(text: str, at: int, sign: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(f"no {sign!r} at character {at}")
    return _skip(text, at + 1)


def _checked(values: list[object]) -> Answer | UnusableAnswer:
    if len(values) > 1 or isinstance(values[0], _Twice):
        return UnusableAnswer("the comparison is answered twice")
    try:
        return check_answer(values[0])
    except UnusableAnswer as error:
        return error


def writable(text: str) -> str:
    """A provider's text with "?" for every lone surrogate and control character: JSON can hold them, not every store can."""
    return _UNWRITABLE.sub("?", text)


def writable_json(value: Any) -> Any:
    """A decoded JSON value with all of its text made `writable`, names of fields included."""
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, dict):
        return {writable(name): writable_json(inner) for name, inner in value.items()}
    return [writable_json(inner) for inner in value] if isinstance(value, list) else value


def shorten(text: str, limit: int) -> str:
    """Cut a text to `limit` characters with an ellipsis, at a word boundary unless that would lose more than half of it."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    space = head.rfind(" ")
    return (head[:space] if space > limit // 2 else head).rstrip() + "…"
