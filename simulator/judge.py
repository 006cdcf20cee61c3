"""The model's opinion: which of two essays is better, read from a quality hidden in their text."""

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

HEADING = re.compile(r"\*\*Essay ([AB]) \(ID: ([^)]*)\):\*\*")
QUALITY = re.compile(r"\[quality:([01](?:\.\d+)?|\.\d+)\]")

FULL_CONFIDENCE_GAP = 0.5
"""A difference in quality of this much or more gets confidence 5; none gets 1."""


class Pair(NamedTuple):
    """Two essays as a prompt presents them."""

    a_id: str
    a_text: str
    b_id: str
    b_text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Winner "A" or "B", confidence 1 to 5, and a short sentence."""

    winner: str
    confidence: int
    justification: str

    @classmethod
    def of(cls, winner: str, confidence: int) -> "Verdict":
        """The verdict with the sentence that this model always writes."""
        return cls(winner, confidence, f"Essay {winner} develops its ideas more clearly and with surer language.")


def find_pairs(text: str) -> list[Pair]:
    """Every Essay A heading that is followed by an Essay B heading, in order, with the text under both."""
    headings = list(HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    pairs: list[Pair] = []
    for at in range(len(headings) - 1):
        first, second = headings[at], headings[at + 1]
        if first[1] == "A" and second[1] == "B":
            a_text, b_text = text[first.end() : ends[at]], text[second.end() : ends[at + 1]]
            pairs.append(Pair(first[2], a_text, second[2], b_text))
    return pairs


def unit(*parts: object) -> float:
    """A number in [0, 1) that is a function of `parts` alone: the same on every machine and in every order."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def quality(text: str) -> float | None:
    """The hidden quality of an essay, 0 to 1: the first `[quality:0.73]` in its text."""
    found = QUALITY.search(text)
    return None if found is None else float(found[1])


def judge(pair: Pair, *, seed: int, error_rate: float) -> Verdict:
    """The better essay, but with probability `error_rate` the other one; the same pair always gets the same verdict.

    Without both qualities the pick is by hash: deterministic, and near half and half.
    """
    key = (seed, pair.a_id, pair.a_text, pair.b_id, pair.b_text)
    quality_a, quality_b = quality(pair.a_text), quality(pair.b_text)
    if quality_a is None or quality_b is None:
        winner = "A" if unit("pick", *key) < 0.5 else "B"
        confidence = 1 + int(5 * unit("confidence", *key))
    else:
        better, worse = ("A", "B") if quality_a >= quality_b else ("B", "A")
        winner = worse if unit("error", *key) < error_rate else better
        gap = min(1.0, abs(quality_a - quality_b) / FULL_CONFIDENCE_GAP)
        confidence = 1 + round(4 * gap)
    return Verdict.of(winner, confidence)


def opinion(text: str, *, seed: int) -> Verdict:
    """A verdict where a prompt shows no pair: by hash of the whole text."""
    return judge(Pair("", text, "", ""), seed=seed, error_rate=0.0)
