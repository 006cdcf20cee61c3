"""The comparisons that one prompt asks: one alone, or those of a bundle, each with its own pair under its key."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.judge import Pair, find_pairs

ANSWER = re.compile(r"^<<<([0-9a-f]{8,}) answer>>>$", re.MULTILINE)
ESSAY = re.compile(r"\*\*Essay (E\d+) \(ID: ([^)\n]*)\):\*\*")
NAMED = re.compile(r"(c\d+): Essay A is (E\d+), Essay B is (E\d+)")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison. `key` is "" for one alone in its prompt; `text`, what the prompt says of it, is judged without a pair."""

    key: str
    text: str
    pair: Pair | None

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of the two essays in their order: the same in a call of its own and in a bundle of any layout."""
        parts = (self.text,) if self.pair is None else self.pair
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()

    @property
    def weight(self) -> int:
        """Its weight when a bundle's tokens and cost are shared out among its comparisons."""
        return len(self.text.encode())


def read_comparisons(text: str, keys: Sequence[str]) -> list[Comparison]:
    """The comparison asked under each of `keys` (the verdicts of the schema); without keys, the one that the prompt asks.

    A prompt with fences (docs/bundles.md) says what belongs to which key. Without them the pairs go to the keys in order.
    """
    if not keys:
        return [Comparison("", text, next(iter(find_pairs(text)), None))]
    by_key = _fenced(text)
    if by_key is None:
        pairs: list[Pair | None] = [*find_pairs(text)]
        pairs += [None] * (len(keys) - len(pairs))
        return [
            Comparison(key, text if pair is None else "\n".join(pair), pair) for key, pair in zip(keys, pairs, strict=False)
        ]
    return [by_key.get(key, Comparison(key, text, None)) for key in keys]


def named_keys(text: str) -> tuple[str, ...]:
    """The keys that a bundle's own text asks for, as a model reads it that was given no schema; () where there is no bundle."""
    return tuple(_fenced(text) or ())


def head_bytes(text: str) -> int:
    """Bytes before the first fence of a bundle: what the prompt of each comparison alone would begin with, too."""
    last = next(reversed(list(ANSWER.finditer(text))), None)
    first = None if last is None else re.search(rf"^<<<{last[1]} ", text, re.MULTILINE)
    return len(text[: first.start()].encode()) if first else 0


def _fenced(text: str) -> dict[str, Comparison] | None:
    """The comparisons between fences; None where there are none. Only the mark of the last answer line counts."""
    last = next(reversed(list(ANSWER.finditer(text))), None)
    if last is None:
        return None
    fence = re.compile(rf"^<<<{last[1]} ([^>\n]+)>>>\n", re.MULTILINE)
    body = text[: last.start()]
    sections: dict[str, str] = {}
    name, start = None, 0
    for found in fence.finditer(body):
        if name is not None and found[1] == "end":
            sections[name], name, start = body[start : found.start() - 1], None, found.end()
        elif name is None:
            name, start = found[1], found.end()
    if "comparisons" not in sections:
        return {key: _verbatim(key, section) for key, section in sections.items()}
    return _by_label(sections, body[start:-1])


def _verbatim(key: str, section: str) -> Comparison:
    return Comparison(key, section, next(iter(find_pairs(section)), None))


def _by_label(sections: dict[str, str], instructions: str) -> dict[str, Comparison]:
    """The layout shared_essays: each pair's texts are put together as in a prompt of its own, for the same verdict."""
    essays: dict[str, tuple[str, str]] = {}
    for section in sections.values():
        heading = ESSAY.match(section)
        if heading is not None:
            essays[heading[1]] = (heading[2], section[heading.end() :])
    found: dict[str, Comparison] = {}
    for line in sections["comparisons"].split("\n"):
        named = NAMED.fullmatch(line)
        if named is not None and named[2] in essays and named[3] in essays:
            (a_id, a_text), (b_id, b_text) = essays[named[2]], essays[named[3]]
            pair = Pair(a_id, a_text + "\n\n", b_id, f"{b_text}\n\n{instructions}")
            found[named[1]] = Comparison(named[1], "\n".join(pair), pair)
    return found
