"""Reading the comparisons back out of a bundle's prompt, by what docs/bundles.md says of it and nothing else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from providers.protocol import PromptBlock

_ANSWER = re.compile(r"<<<([0-9a-f]{8,}) answer>>>\n")
_ESSAY = re.compile(r"\*\*Essay (E\d\d+) \(ID: ([^)\n]*)\):\*\*")
_PAIR = re.compile(r"(c\d\d): Essay A is (E\d\d+), Essay B is (E\d\d+)")


@dataclass(frozen=True)
class Read:
    """What a prompt holds. `prompts`: each comparison's own text by key, without the head, as it came in the request.

    `rest`: what is neither the head nor a text of a request.
    """

    head: str
    prompts: dict[str, str]
    rest: str


def read_back(blocks: Sequence[PromptBlock], layout: str) -> Read:
    """Read a prompt of more than one comparison."""
    head = blocks[0].text if len(blocks) == 2 else ""
    text = blocks[-1].text
    answer = list(_ANSWER.finditer(text))[-1]
    mark = answer[1]
    fences = list(re.finditer(rf"<<<{mark} ([^>\n]+)>>>\n", text[: answer.start()]))
    opening, closing = fences[::2], fences[1::2]
    assert {fence[1] for fence in closing} == {"end"}
    sections = {}
    for start, end in zip(opening, closing, strict=True):
        assert text[end.start() - 1] == "\n"
        assert start[1] not in sections
        sections[start[1]] = text[start.end() : end.start() - 1]
    between = [text[end.end() : start.start()] for end, start in zip(closing, opening[1:], strict=False)]
    assert not any(between)
    last = text[closing[-1].end() : answer.start()]
    rest = text[: opening[0].start()] + text[answer.start() :]
    if layout == "verbatim":
        assert last == ""
        return Read(head, sections, rest)
    assert last[-1] == "\n"
    return Read(head, _from_shared(sections, last[:-1]), rest)


def _from_shared(sections: dict[str, str], instructions: str) -> dict[str, str]:
    essays = {}
    for name, section in sections.items():
        if name != "comparisons":
            heading = _ESSAY.match(section)
            assert heading
            assert name == f"essay {heading[1]}"
            essays[heading[1]] = (heading[2], section[heading.end() :])
    prompts, used = {}, set()
    for line in sections["comparisons"].split("\n"):
        pair = _PAIR.fullmatch(line)
        assert pair
        parts = [
            f"**Essay {name} (ID: {essays[label][0]}):**{essays[label][1]}"
            for name, label in zip("AB", pair.groups()[1:], strict=True)
        ]
        prompts[pair[1]] = "\n\n".join((*parts, instructions))
        used |= set(pair.groups()[1:])
    assert used == set(essays)
    assert len(set(essays.values())) == len(essays)
    return prompts
