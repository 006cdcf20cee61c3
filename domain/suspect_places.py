"""Where in a text the slow rules of `domain.suspects` may be met: a few places that are found fast, and in most texts none.

The patterns of two rules take milliseconds for an essay of 4 KB, more than the worker takes for a comparison in all. Each of
them needs certain words close together, and a word is found in a text within a microsecond. Nothing is left out here that the
patterns would find, except in texts that are full of filling words (tests/unit/domain/test_suspect_places.py).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

Place = tuple[int, int]  # from where to where a pattern is to be searched for

# The essay as one speaks of it to a judge: "this essay", "my text", "essay A" and the like.
_NOUNS: Final = ("essay", "text", "answer", "submission", "paper", "response", "uppsats", "essä", "inlämning", "svar")
_WHICH: Final = (
    *("this ", "my ", "the first ", "the second ", "the present "),
    *("denna ", "den här ", "min ", "detta ", "det här ", "den första ", "den andra "),
)
_LETTERED: Final = re.compile(r"(?:essay|uppsats|essä)\s+[ab]\b")
_BEYOND: Final = 120  # what is said behind it still belongs to it

# What the judge is told to do: in front of the essay, at the beginning of a sentence or after certain words.
_VERB: Final = re.compile(
    r"\b(?:choose|pick|select|prefer|favou?r|declare|answer|output|return|respond|vote|rate|rank|score|grade|mark|judge|award"
    r"|give|assess|evaluate|say|state|treat|consider"
    r"|välj|utse|föredra|svara|rösta|utnämn|bedöm|betygsätt|ranka|ge|säg|skriv|anse|behandla)\b"
)
_MUST_SV: Final = re.compile(r"\b(?:du|ni)\s+(?:måste|ska|skall|bör)\b")
_BEFORE_AN_ORDER: Final = (
    *".!?:;,\"'“”»«([>*—–-",
    *("please", "kindly", "now", "and", "then", "always", "just", "must", "should", "shall"),
    *("och", "alltid", "snälla", "nu", "vänligen"),
)
_VERB_REACH: Final = 120

# Or somebody is spoken to by his office, further in front.
_OFFICES: Final = (
    *("judge", "examiner", "grader", "evaluator", "assessor", "marker", "reader", "teacher"),
    *("domare", "bedömare", "examinator", "rättare", "lärare", "språkmodell", "chatgpt", "chattbot"),
    *(f"ai{mark}" for mark in ":,!- \n"),
)
_OFFICE_REACH: Final = 320

# Or a machine is: "AI: …", "if you are a language model …".
_MACHINES: Final = ("a.i.", "model", "llm", "gpt", "claude", "gemini", "chatbot")
_AI: Final = re.compile(r"ais?\b")
_CALLED: Final = re.compile(r"(?:ai|a\.i\.|model|llm|gpt|claude|gemini|chatbot)(?:\s+[a-z]+)?s?\s*[:,!]")
_ORDER_REACH: Final = 130

_OVERRIDES: Final = ("ignor", "disregard", "forget", "overrid", "discard", "bortse", "glöm", "strunta", "åsidosätt")
_OVERRIDDEN: Final = (
    *("instru", "prompt", "criteri", "kriteri", "rule", "guideline", "direction", "order", "message", "text", "system"),
    *("scheme", "anvisning", "regl", "uppmaning", "bedömning"),
)
_OVERRIDDEN_REACH: Final = 200


def of_orders(low: str) -> Iterator[Place]:
    """Where the text, in small letters and without double spaces, may tell a judge what to do."""
    for at in _essays(low):
        begin = max(0, at - _VERB_REACH)
        if any(low.find(office, max(0, at - _OFFICE_REACH), at) >= 0 for office in _OFFICES):
            yield at - _OFFICE_REACH - 20, at + _BEYOND
        elif any(_may_begin(low, verb.start()) for verb in _VERB.finditer(low, begin, at)) or _MUST_SV.search(low, begin, at):
            yield begin - 20, at + _BEYOND
    for at in (*_all_of(_MACHINES, low), *(found.start() for found in _AI.finditer(low))):
        is_called = _CALLED.match(low, at) or low.find("you", max(0, at - 40), at) >= 0
        if is_called and _VERB.search(low, at, at + _ORDER_REACH + 30):
            yield at - 80, at + 2 * _ORDER_REACH + 80


def of_overriding(low: str) -> Iterator[Place]:
    """Where the text, in small letters and without double spaces, may tell a judge to ignore what it was told."""
    for at in _all_of(_OVERRIDES, low):
        end = at + _OVERRIDDEN_REACH
        if any(low.find(word, at, end) >= 0 for word in _OVERRIDDEN):
            yield at - 20, end


def _all_of(words: Iterable[str], low: str) -> Iterator[int]:
    for word in words:
        at = low.find(word)
        while at >= 0:
            yield at
            at = low.find(word, at + 1)


def _essays(low: str) -> Iterator[int]:
    for at in _all_of(_NOUNS, low):
        spaced = low[max(0, at - 2) : at]
        in_line = spaced.endswith(" ") and not spaced[0].isspace()  # otherwise it begins a line, and may stand behind any word
        if (low.endswith(_WHICH, 0, at) if in_line else spaced[-1:].isspace()) or _LETTERED.match(low, at):
            yield at


def _may_begin(low: str, at: int) -> bool:
    """Whether an order may begin here."""
    before = low[max(0, at - 12) : at]
    told = before.rstrip()
    return not told or "\n" in before[len(told) :] or told.endswith(_BEFORE_AN_ORDER)
