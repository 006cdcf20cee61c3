"""Where in a text the slow rules of `domain.suspects` may be met: a few places that are found fast, and in most texts none.

The patterns of two rules take milliseconds for an essay of 4 KB, more than the worker takes for a comparison in all. Each of
them needs certain words one behind the other and close together, and a word is found in a text within a microsecond. Nothing is
left out here that the patterns would find (tests/unit/domain/test_suspect_places.py), and hardly anything is found besides.

Whatever a text repeats, the work grows with its length and no faster: each word is looked for once in each part of the text,
and where parts overlap they are gone through as one.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

Place = tuple[int, int]  # from where to where a pattern is to be searched for, or a word stands

# The essay as one speaks of it to a judge: "this essay", "my text", "essay A" and the like.
_NOUNS: Final = ("essay", "text", "answer", "submission", "paper", "response", "uppsats", "essä", "inlämning", "svar")
_WHICH: Final = (
    *("this", "my", "the first", "the second", "the present"),
    *("denna", "den här", "min", "detta", "det här", "den första", "den andra"),
)
_LETTERED: Final = re.compile(r"(?:essay|uppsats|essä)\s+[ab]\b")

# What the judge is told to do: to choose it, or to give it the best mark.
_CHOOSE: Final = (
    "choose|pick|select|prefer|favou?r|declare|answer|output|return|respond|vote|välj|utse|föredra|svara|rösta|utnämn"
)
_GIVE: Final = (
    "rate|rank|score|grade|mark|judge|award|give|assess|evaluate|say|state|treat|consider"
    "|bedöm|betygsätt|ranka|ge|säg|skriv|anse|behandla"
)
_VERB: Final = re.compile(rf"\b(?:(?P<choose>{_CHOOSE})|{_GIVE})\b")
_MUST_SV: Final = re.compile(r"\b(?:du|ni)\s+(?:måste|ska|skall|bör)\b")
_BEST: Final = re.compile(
    r"\b(?:better|best|winn(?:er|ing)|superior|strong(?:er|est)|highest|top\s+(?:mark|score|grade)|full\s+(?:mark|pott)|maximum"
    r"|bäst|bättre|vinnare|starkast|överlägsen|högst|toppbetyg)"
)
_BEFORE_AN_ORDER: Final = (
    *".!?:;,\"'“”»«([>*—–-",
    *("please", "kindly", "now", "and", "then", "always", "just", "must", "should", "shall"),
    *("och", "alltid", "snälla", "nu", "vänligen"),
)
_SENTENCE: Final = 80  # an order and what it is about are at most so far apart, and in one sentence
_SENTENCE_ENDS: Final = re.compile(r"[.!?\n]")

# Or somebody is spoken to by his office, "Dear judge: …", or a machine is: "AI, …", "if you are a language model …".
_PERSON: Final = re.compile(
    r"(?:judge|examiner|grader|evaluator|assessor|marker|reader|teacher|domare|bedömare|examinator|rättare|lärare)[sn]?\s*[:,!]"
)
_MACHINES: Final = ("a.i.", "model", "llm", "gpt", "claude", "gemini", "chatbot", "chattbot")
_AI_AND: Final = re.compile(r"ai\s+(?:judge|model|assistant|system|grader)")
_CALLED: Final = re.compile(
    r"(?:ai|a\.i\.|model|llm|gpt|claude|gemini|chatbot|ai\s+(?:judge|assistant|system|grader))s?\s*[:,!]"
    r"|(?:modell|chattbot|ai-(?:domare|system|assistent))\w{0,30}+\s*+[:,!]"
)
_IF_YOU_ARE: Final = re.compile(r"if\s+you\s+are\s+(?:an?\s+)?(?:large\s+)?(?:language\s+)?(?:chat)?$")
_LINE: Final = 120  # from the one who is spoken to to the order, and from there to the essay: in one line
_HAIL: Final = 80  # what stands before the office and belongs to it
_WORD: Final = 20

_OVERRIDES: Final = ("ignor", "disregard", "forget", "overrid", "discard", "bortse", "glöm", "strunta", "åsidosätt")
_OVERRIDING: Final = re.compile(
    r"(?:ignore|disregard|forget|override|discard)\s+(?:(?:all|any|the|your|of)\s+)*"
    r"(?:previous|prior|above|earlier|preceding|foregoing|system|judg|assessment|grading|marking|scoring|instruction|prompt)"
    r"|(?:ignorera|bortse\s+från|glöm|strunta\s+i|åsidosätt)\s+(?:(?:alla|all|de|dina|era|den)\s+)*"
    r"(?:tidigare|föregående|ovanstående|bedömnings|instruktion|anvisning|systemprompt)"
)
_OVERRIDDEN: Final = 70  # what is to be ignored is named within so many characters


def of_orders(low: str) -> Iterator[Place]:
    """Where the text, in small letters and without double spaces or empty lines, may tell a judge what to do."""
    essays = sorted(_essays(low))
    machines = [*_all_of(_MACHINES, low), *(at for at in _all_of(("ai",), low) if not low[at - 1 : at].isalnum())]
    doubted = sorted(_doubted(low, machines))
    called = {found.end() for at in machines if (found := _CALLED.match(low, at))}
    called.update(end for _, end in _spans(_PERSON, low, ((begin - 3 * _LINE, begin) for begin, _ in essays)))
    if not essays and not called and not doubted:
        return
    calls = sorted(called)
    reach = _LINE + _WORD
    before_essays = [(begin - reach, begin) for begin, _ in essays]
    behind_calls = [(at, at + reach) for at in (*calls, *doubted)]
    verbs = [(*found.span(), found["choose"] is not None) for found in _found(_VERB, low, [*before_essays, *behind_calls])]
    if not verbs and "måste" not in low and "ska" not in low and "bör" not in low:
        return
    behind = [*((end, end + reach) for _, end in essays), *((at, at + 2 * reach) for at in calls)]
    best = [begin for begin, _ in _spans(_BEST, low, behind)]
    yield from _told(low, essays, best, [verb for verb in verbs if _may_begin(low, verb[0])])
    yield from _told(low, essays, best, [(*must, True) for must in _spans(_MUST_SV, low, before_essays)])
    wanted = sorted([*(begin for begin, _ in essays), *best])
    useful = [begin for begin, end, _ in verbs if _in_one_line(low, end, _next(wanted, end))]
    yield from _spoken_to(low, useful, calls)
    yield from _spoken_to(low, [begin for begin, _, _ in verbs], doubted)


def _told(low: str, essays: list[Place], best: list[int], orders: Iterable[tuple[int, int, bool]]) -> Iterator[Place]:
    """Orders to choose the essay, or to do with it what makes it the best one (False), in one sentence."""
    for begin, end, chooses in orders:
        for number in range(bisect_left(essays, (end, 0)), len(essays)):
            essay, behind = essays[number]
            if not _in_one_sentence(low, end, essay):
                break
            if chooses or _in_one_sentence(low, behind, _next(best, behind)):
                yield begin - _WORD, behind + _LINE
                break


def _spoken_to(low: str, verbs: list[int], calls: Iterable[int]) -> Iterator[Place]:
    """Where somebody is spoken to, and in the same line one of these verbs follows."""
    for at in calls:
        verb = _next(verbs, at)
        if verb is not None and _in_one_line(low, at, verb):
            yield at - _HAIL, verb + _LINE + 2 * _WORD


def of_overriding(low: str) -> Iterator[Place]:
    """Where the text, in small letters and without double spaces or empty lines, may tell a judge to ignore his rules."""
    for at in _all_of(_OVERRIDES, low):
        if found := _OVERRIDING.match(low, at):
            yield at - _WORD, found.end() + _OVERRIDDEN


def _doubted(low: str, machines: Iterable[int]) -> Iterator[int]:
    """Where a reader has been told what to do in case that it is a machine."""
    for at in machines:
        if low.find("you", max(0, at - 40), at) >= 0 and _IF_YOU_ARE.search(low, max(0, at - 40), at):
            yield at
            if longer := _AI_AND.match(low, at):
                yield longer.end()


def _essays(low: str) -> Iterator[Place]:
    for at, noun in _words(_NOUNS, low):
        before = low[max(0, at - _WORD) : at]
        if before[-1:].isspace():
            before = before[:-1].replace("\n", " ")
            if before.endswith(_WHICH):
                which = next(word for word in _WHICH if before.endswith(word))
                yield at - 1 - len(which), at + len(noun)
        if _LETTERED.match(low, at):
            yield at, at + len(noun)


def _all_of(words: Iterable[str], low: str) -> Iterator[int]:
    return (at for at, _ in _words(words, low))


def _words(words: Iterable[str], low: str) -> Iterator[tuple[int, str]]:
    for word in words:
        at = low.find(word)
        while at >= 0:
            yield at, word
            at = low.find(word, at + 1)


def _found(pattern: re.Pattern[str], low: str, parts: Iterable[Place]) -> Iterator[re.Match[str]]:
    """What a pattern finds in these parts of the text, in order; what two parts have in common is gone through once."""
    begin = end = 0
    for one, other in sorted(parts):
        if one > end:
            yield from pattern.finditer(low, begin, end)
            begin = max(0, one)
        end = max(end, other)
    yield from pattern.finditer(low, begin, end)


def _spans(pattern: re.Pattern[str], low: str, parts: Iterable[Place]) -> list[Place]:
    return [found.span() for found in _found(pattern, low, parts)]


def _next(places: list[int], at: int) -> int | None:
    """The first of these places from `at` on."""
    number = bisect_left(places, at)
    return places[number] if number < len(places) else None


def _in_one_sentence(low: str, begin: int, end: int | None) -> bool:
    return end is not None and end - begin <= _SENTENCE and not _SENTENCE_ENDS.search(low, begin, end)


def _in_one_line(low: str, begin: int, end: int | None) -> bool:
    return end is not None and end - begin <= _LINE and low.find("\n", begin, end) < 0


def _may_begin(low: str, at: int) -> bool:
    """Whether an order may begin here."""
    before = low[max(0, at - 12) : at]
    told = before.rstrip()
    return not told or "\n" in before[len(told) :] or told.endswith(_BEFORE_AN_ORDER)
